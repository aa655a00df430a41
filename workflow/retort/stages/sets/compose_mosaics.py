"""Put ranked patches together to the images of a distilled set."""

from collections.abc import Sequence
from itertools import islice

import numpy as np
import pandas as pd
import torch
from tqdm import tqdm

from retort.artifacts.patches import cut_patches, read_patches
from retort.base.errors import RetortError
from retort.base.tensors import write_tensors
from retort.data.manifest import read_classes, read_split
from retort.methods.mosaics import mosaic_ranks, stitch, to_uint8_truncated
from retort.models.pixels import to_pixels


def compose_mosaics(
    patches: str,
    manifest: str,
    class_table: str,
    images: str,
    *,
    class_indices: Sequence[int],
    ipc: int,
    grid: int,
    fill: str,
    rounding: str,
    side: int,
    threads: int,
) -> None:
    """pixels (n, side, side, 3) uint8, class_index and index (n,), rows (n, grid^2) of the train split, score (n,).

    rounding: "truncate" cuts off fractions of a grey level, as RDED does; "nearest" rounds. Raises RetortError naming
    the class that has fewer patches than its mosaics need.
    """
    table, ranked = read_classes(class_table), read_patches(patches)
    paths = read_split(manifest, "train", [table[label].id for label in class_indices]).set_index("row")["path"]
    order = mosaic_ranks(ipc, grid, fill)
    by_class = {
        c.id: ranked[ranked["class_id"] == c.id].iloc[: ipc * grid**2] for c in map(table.__getitem__, class_indices)
    }
    for class_id, members in by_class.items():
        if len(members) < ipc * grid**2:
            raise RetortError(
                f"class {class_id}: {ipc} images of {grid} x {grid} need {ipc * grid**2} patches, found "
                f"{len(members)}; lower ipc in runs or the method's grid, or let it keep more patches"
            )
    cut = cut_patches(pd.concat(by_class.values()), paths, side // grid, threads)
    pixels, rows, scores = [], [], []
    for members in tqdm(by_class.values(), desc="composing", unit="class"):
        mosaics = stitch(torch.stack(list(islice(cut, len(members)))), ipc, grid, side, fill)
        pixels.append(to_uint8_truncated(mosaics) if rounding == "truncate" else to_pixels(2 * mosaics - 1))
        rows.append(members["row"].to_numpy()[order])
        scores.append(members["score"].to_numpy()[order].mean(1))
    numbers = np.arange(class_indices[0] * ipc, (class_indices[-1] + 1) * ipc)
    write_tensors(
        images,
        {
            "pixels": np.concatenate(pixels),
            "class_index": numbers // ipc,
            "index": numbers % ipc,
            "rows": np.concatenate(rows),
            "score": np.concatenate(scores).astype(np.float64),
        },
    )
