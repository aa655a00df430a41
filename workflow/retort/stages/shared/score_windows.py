"""The most typical windows of real images (DDPS)."""

from collections.abc import Sequence

import numpy as np
import torch
from tqdm import tqdm

from retort.artifacts.patches import ranked_rows, write_patches
from retort.base.tensors import open_tensors
from retort.data.manifest import read_split
from retort.methods.windows import class_windows, top_windows
from retort.models.health import REBUILD, check_finite


def score_windows(
    maps: str,
    manifest: str,
    patches: str,
    *,
    class_ids: Sequence[str],
    resolution: int,
    window: float,
    per_image: int,
    keep: int,
) -> None:
    """CSV of the `keep` most typical windows of each class, at most `per_image` of an image, none touching another.

    `window` is a share of the side. Maps are of the centred square that the encoder saw at `resolution` pixels; boxes
    are in pixels of the image file.
    """
    scored, rows = open_tensors(maps), []
    size, train = max(1, round(window * resolution)), read_split(manifest, "train", list(class_ids))
    train = train.set_index("row", drop=False)
    for class_id in tqdm(class_ids, desc="windows", unit="class"):
        images = train.loc[scored[f"rows/{class_id}"].tolist()]
        scores = torch.from_numpy(np.array(scored[f"maps/{class_id}"]))
        check_finite(scores, f"class {class_id}", f"a map in {maps} is", REBUILD)
        best = top_windows(class_windows(scores, (resolution, resolution), (size, size), per_image), keep)
        members = images.iloc[best.image]
        boxes = _in_file(best.boxes, members["width"].to_numpy(), members["height"].to_numpy(), resolution)
        rows.append(ranked_rows(class_id, members, boxes, best.value, -1))
    write_patches(rows, patches)


def _in_file(boxes: np.ndarray, width: np.ndarray, height: np.ndarray, resolution: int) -> np.ndarray:
    """Boxes (n, 4) on the centred square at `resolution` as boxes in the image files, to the nearest pixel inside."""
    short = np.minimum(width, height)
    scale, margin = short / resolution, np.stack([(height - short) / 2, (width - short) / 2], 1)
    size = np.clip(np.round(boxes[:, 2:] * scale[:, None]), 1, short[:, None])
    corner = np.round(boxes[:, :2] * scale[:, None] + margin)
    corner = np.clip(corner, 0, np.stack([height, width], 1) - size)
    return np.concatenate([corner, size], 1).astype(np.int64)
