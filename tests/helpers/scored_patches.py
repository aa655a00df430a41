"""Pictures of two classes, and patches of them as either way to score has them."""

from pathlib import Path

import numpy as np
import pandas as pd
import torch

from retort.artifacts.patches import cut_patches, read_patches
from retort.base.tensors import write_tensors
from retort.parts.resolve import part_of
from retort.stages.shared.score_crops import score_crops
from retort.stages.shared.score_windows import score_windows
from tests.helpers.tiny_models import SIDE, Pictures, save_models, save_untrained_teacher

# (width, height), square and not; "01" and "NA" are class ids that a careless reader of CSV would change.
SHAPES = {
    "01": {"a": (40, 24), "b": (24, 40), "c": (32, 32), "d": (50, 20), "e": (21, 33), "f": (16, 16)},
    "NA": {"a": (30, 30), "b": (17, 64), "c": (64, 17), "d": (20, 20), "e": (33, 21)},
}
MORE = {c: {"new": (28, 36), **images, "other": (36, 28)} for c, images in SHAPES.items()}
SCORE = {"teacher": "judge", "images": 5, "crops": 4, "area": (0.1, 0.8)}
CROPS = {"grid": 2, "side": SIDE, "dataset": "toy", "seed": 0, "threads": 2}
WINDOWS = {"resolution": SIDE, "window": 0.25, "per_image": 3, "keep": 10}


def make_home(folder: Path) -> Path:
    """few/ and more/ pictures (the same and others beside them), models, a teacher of the two classes."""
    save_models(folder)
    save_untrained_teacher(folder / "teacher", list(SHAPES))
    return folder


def cut(patches: pd.DataFrame, pictures: Pictures, side: int, threads: int = 1) -> torch.Tensor:
    """(n, 3, side, side) in [0, 1]."""
    return torch.stack(list(cut_patches(patches, pictures.images["path"], side, threads)))


def cropped(home: Path, pictures: Pictures, classes=tuple(SHAPES), **changes) -> pd.DataFrame:
    paths = (pictures.manifest, pictures.table, str(home / "teacher"), str(home / "crops.csv"))
    score = part_of("scores", SCORE | {key: changes.pop(key) for key in list(changes) if key in SCORE})
    score_crops(*paths, class_ids=list(classes), score=score, **CROPS | changes)
    return read_patches(str(home / "crops.csv"))


def write_maps(home: Path, pictures: Pictures, seed: int = 0) -> Path:
    """A random map for each image, by its own id, in reverse order of the manifest."""
    tensors = {}
    for class_id in pictures.classes:
        rows = pictures.rows_of(class_id)[::-1]
        ids = pictures.images.loc[rows, "image_id"]
        maps = [np.random.default_rng([seed, *i.encode()]).standard_normal((8, 8)) for i in ids]
        tensors |= {f"maps/{class_id}": np.float32(maps), f"rows/{class_id}": np.array(rows)}
    write_tensors(home / "maps.safetensors", tensors)
    return home / "maps.safetensors"


def windowed(home: Path, pictures: Pictures, maps: Path | None = None, classes=tuple(SHAPES), **changes):
    paths = (str(maps or write_maps(home, pictures)), pictures.manifest, str(home / "windows.csv"))
    score_windows(*paths, class_ids=list(classes), **WINDOWS | changes)
    return read_patches(str(home / "windows.csv"))


SCORERS = {"crops": cropped, "windows": windowed}
