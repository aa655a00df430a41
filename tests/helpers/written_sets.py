"""Images, samples and selections, and the sets that `write_set` makes of them."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from PIL import Image

from retort.base.files import write_rows
from retort.base.tensors import open_tensors, write_tensors
from retort.config.load import load_config
from retort.data.manifest import ClassEntry, write_manifest
from retort.plan.plan import Plan
from retort.stages.data.decode_split import decode_split
from retort.stages.sets.write_set import write_set
from tests.helpers.small_datasets import REST

SIDE, PER_CLASS = 8, 4
CLASSES = ["n03", "n01", "n02"]  # not in alphabetical order
NAMES = {"n03": "cassette player", "n01": "tench", "n02": "English springer"}
CONFIG = REST | {
    "seed": 7,
    "dataset": {"kind": "folder", "path": "photos", "name": "toy", "resolution": SIDE},
    "models": {
        "vae": {"kind": "vae", "source": "somebody/vae"},
        "dit": {"kind": "dit", "encoder": "vae", "train": {"steps": 10}},
    },
    "teachers": {"resnet": {"arch": "resnet18.a1_in1k"}},
    "inversions": {"ddim": {"model": "dit", "stop": 20}},
    "discoveries": {"density": {"encoder": "vae"}},
    "typicalities": {"default": {"model": "dit"}},
    "methods": {
        "random": {"select": "random"},
        "chosen": {"select": {"coverage": "herding", "encoder": "vae"}},
        "shown": {"select": {"discovery": "density"}},
        "d3hr": {"generate": {"model": "dit", "start": {"inversion": "ddim", "groups": 123}}},
        "exact": {"generate": {"model": "dit", "start": {"inversion": "ddim", "search": "closed-form"}}},
        "cao2": {
            "generate": {"model": "dit", "sampler": "ddpm", "steps": 40, "guidance": 2.5, "pool": 3},
            "select": {"teacher": "resnet", "keep": "uncertain"},
            "refine": {"iterations": 77},
        },
        "coda": {"generate": {"model": "dit", "guide": {"discovery": "density", "strength": 0.07}}},
        "rded": {"compose": {"score": {"teacher": "resnet", "images": 30}}},
        "ddps": {"compose": {"score": {"typicality": "default"}, "rank": {"clusters": 9, "encoder": "vae"}, "grid": 3}},
        "full": {"select": "all"},
    },
}


def about(method: str, ipc: str = "2") -> dict:
    """What the rule says of a set of the method."""
    return Plan(load_config(CONFIG), CLASSES).provenance_of(method) | {"ipc": ipc}


ABOUT = about("d3hr")


def make_home(folder: Path) -> Path:
    """Four images per class with their manifest and the split decoded, and two generated shards of two per class."""
    rng = np.random.default_rng(0)
    write_pictures(folder, rng)
    arguments = (str(folder / "manifest.parquet"), str(folder / "train.safetensors"))
    decode_split(*arguments, split="train", side=SIDE, threads=1)
    for shard, classes in (("0000", [0, 1]), ("0001", [2])):
        indices = {"class_index": np.repeat(classes, 2), "index": np.tile([0, 1], len(classes))}
        group = {"group": indices["class_index"] * 100 - 1, "score": indices["class_index"] / 8}
        write_tensors(folder / f"{shard}.safetensors", {"pixels": noise(rng, 2 * len(classes))} | indices | group)
    return folder


def write_pictures(home: Path, rng: np.random.Generator) -> None:
    """Image files of several shapes, manifest.parquet and classes.csv; validation images stand between the others."""
    rows = []
    for i, label in enumerate(np.repeat(np.arange(3), PER_CLASS)):
        path = home / "images" / f"{i}.png"
        path.parent.mkdir(exist_ok=True)
        size = (SIDE, SIDE) if i % 2 else (SIDE + i, SIDE + 3)
        Image.fromarray(rng.integers(0, 256, (*size, 3), dtype=np.uint8)).save(path)
        class_id = CLASSES[label]
        row = {"class_id": class_id, "class_name": NAMES[class_id], "class_index": label, "path": str(path)}
        row |= {"image_id": f"{class_id}/{i}.png", "width": size[1], "height": size[0]}
        rows += [row | {"split": split} for split in ("val", "train")]
    entries = [ClassEntry(i, c, NAMES[c]) for i, c in enumerate(CLASSES)]
    write_manifest(pd.DataFrame(rows), entries, home / "manifest.parquet", home / "classes.csv")


def noise(rng: np.random.Generator, n: int) -> np.ndarray:
    return rng.integers(0, 256, (n, SIDE, SIDE, 3), dtype=np.uint8)


def pixels_of(*paths: Path) -> np.ndarray:
    return np.concatenate([open_tensors(path)["pixels"] for path in paths])


def write_made(
    home: Path, names: list[str], chosen: Sequence[str] = (), models: list[str] | None = None, method: str = "d3hr"
) -> Path:
    """The set of some shards, of which `chosen` names the members, shard by shard."""
    shards = [str(home / f"{name}.safetensors") for name in names]
    choices = [str(home / f"{name}.csv") for name in chosen]
    arguments = (str(home / "classes.csv"), str(home / "manifest.parquet"), [], shards, choices, models or [])
    write_set(*arguments, str(home / "set"), copy_images=True, origin=about(method), side=SIDE, threads=1)
    return home / "set"


def write_generated(home: Path, models: list[str] | None = None) -> Path:
    return write_made(home, ["0000", "0001"], models=models)


def select(home: Path, rows: list[int]) -> None:
    """A selection of rows of the split, in label order."""
    places = [(row // PER_CLASS, row) for row in rows]
    seen = [sum(label == other for other, _ in places[:i]) for i, (label, _) in enumerate(places)]
    listed = [
        {"class_index": label, "index": index, "row": row, "image_id": f"{CLASSES[label]}/{row}.png"}
        for index, (label, row) in zip(seen, places, strict=True)
    ]
    write_rows(home / "selection.csv", ["class_index", "index", "row", "image_id"], listed)


def filled(row: dict[str, str]) -> dict[str, str]:
    """The columns of a manifest's row that say something."""
    return {name: value for name, value in row.items() if value != ""}


def write_selected(home: Path, rows: list[int], copy: bool) -> Path:
    select(home, rows)
    selection = [str(home / "selection.csv")]
    inputs = (str(home / "classes.csv"), str(home / "manifest.parquet"), selection)
    write_set(*inputs, [], [], [], str(home / "set"), copy_images=copy, origin=about("random"), side=SIDE, threads=1)
    return home / "set"
