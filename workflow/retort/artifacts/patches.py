"""The table of patches that scoring, ranking and composing pass on: one row a patch, class by class, best first."""

from collections.abc import Iterator, Sequence

import numpy as np
import pandas as pd
import torch

from retort.base.files import whole_file
from retort.base.tables import read_table
from retort.data.streams import stream_images
from retort.methods.mosaics import cut_crops

BOX = ["top", "left", "height", "width"]
COLUMNS = ["class_id", "rank", "row", "image_id", *BOX, "score", "cluster"]


def write_patches(classes: Sequence[pd.DataFrame], output: str) -> None:
    with whole_file(output) as scratch:
        pd.concat(classes)[COLUMNS].to_csv(scratch, index=False)


def read_patches(path: str) -> pd.DataFrame:
    """The table that `score_crops`, `score_windows` and `rank_patches` write, class by class in rank order."""
    dtypes = {"class_id": str, "image_id": str, "row": int, "score": float} | dict.fromkeys(BOX, int)
    return read_table(path, COLUMNS, dtype=dtypes, keep_default_na=False)


def ranked_rows(class_id: str, members: pd.DataFrame, boxes: np.ndarray, scores: np.ndarray, cluster) -> pd.DataFrame:
    """One class's rows of the table, in their order."""
    where = {"row": members["row"].to_numpy(), "image_id": members["image_id"].to_numpy()}
    frame = pd.DataFrame({"class_id": class_id, "rank": np.arange(len(members))} | where)
    return frame.assign(**dict(zip(BOX, boxes.T, strict=True)), score=scores, cluster=cluster)


def cut_patches(patches: pd.DataFrame, paths: pd.Series, side: int, threads: int) -> Iterator[torch.Tensor]:
    """Each patch cut from its image file and resized, (3, side, side) in [0, 1]. paths: file by row of the split."""
    stream = stream_images(paths.loc[patches["row"].tolist()].tolist(), threads)
    for pixels, box in zip(stream, patches[BOX].to_numpy(), strict=True):
        yield cut_crops(to_unit(pixels), box[None], side)[0]


def to_unit(pixels: np.ndarray) -> torch.Tensor:
    """(h, w, 3) uint8 to (3, h, w) float32 in [0, 1]."""
    return torch.from_numpy(np.array(pixels)).permute(2, 0, 1).float() / 255
