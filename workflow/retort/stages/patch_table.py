"""The table of patches that scoring, ranking and composing pass on: one row a patch, class by class, best first."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
import torch

from retort.data.files import whole_file
from retort.data.images import stream_images
from retort.data.manifest import read_split
from retort.methods.mosaics import cut_crops
from retort.models.pixels import to_pixels

BOX = ["top", "left", "height", "width"]
COLUMNS = ["class_id", "rank", "row", "image_id", *BOX, "score", "cluster"]


def write_patches(classes: Sequence[pd.DataFrame], output: str) -> None:
    with whole_file(output) as scratch:
        pd.concat(classes)[COLUMNS].to_csv(scratch, index=False)


def read_patches(path: str) -> pd.DataFrame:
    """The table that `score_crops`, `score_windows` and `rank_patches` write, class by class in rank order."""
    return pd.read_csv(path, dtype={"class_id": str, "image_id": str}, keep_default_na=False)


def ranked_rows(class_id: str, members: pd.DataFrame, boxes: np.ndarray, scores: np.ndarray, cluster) -> pd.DataFrame:
    """One class's rows of the table, in their order."""
    where = {"row": members["row"].to_numpy(), "image_id": members["image_id"].to_numpy()}
    frame = pd.DataFrame({"class_id": class_id, "rank": np.arange(len(members))} | where)
    return frame.assign(**dict(zip(BOX, boxes.T, strict=True)), score=scores, cluster=cluster)


def cut_patches(members: pd.DataFrame, manifest: str, side: int, threads: int, as_unit: bool = False) -> np.ndarray:
    """Patches cut from their image files and resized: (n, side, side, 3) uint8, or (n, 3, side, side) in [0, 1]."""
    if members.empty:
        return np.zeros((0, 3, side, side) if as_unit else (0, side, side, 3), np.float32 if as_unit else np.uint8)
    paths = read_split(manifest, "train", [members["class_id"].iloc[0]]).set_index("row")["path"]
    stream = stream_images(paths.loc[members["row"].tolist()], threads)
    boxes = members[BOX].to_numpy()
    cut = torch.cat([cut_crops(to_unit(p), b[None], side) for p, b in zip(stream, boxes, strict=True)])
    return cut.numpy() if as_unit else to_pixels(2 * cut - 1)


def to_unit(pixels: np.ndarray) -> torch.Tensor:
    """(h, w, 3) uint8 to (3, h, w) float32 in [0, 1]."""
    return torch.from_numpy(np.array(pixels)).permute(2, 0, 1).float() / 255
