"""What stands for each class of a shard: a table of real images, and a file with the latents that are meant by them.

That file is the shard of the images' own latents, or one like it with a latent for each row of the table alone.
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from retort.artifacts.latents import latent_key, latents_of_rows
from retort.base.files import read_rows, whole_file
from retort.base.tensors import write_tensors
from retort.data.manifest import ClassEntry

COLUMNS = ["class_index", "index", "row", "image_id", "origin", "cluster_size"]


class Representatives:
    """Of these classes of the table, each with its representatives in their order."""

    def __init__(self, table: str | Path, latents: str | Path, classes: Sequence[ClassEntry]):
        rows: dict[int, list[int]] = {entry.index: [] for entry in classes}
        for row in read_rows(table):
            if (label := int(row["class_index"])) in rows:
                rows[label].append(int(row["row"]))
        self._rows = rows
        self._latents = {entry.index: latents_of_rows(latents, entry.id, rows[entry.index]) for entry in classes}

    def row(self, label: int, index: int) -> int:
        """The row in the train split of the image that a representative is, or is nearest to."""
        return self._rows[label][index]

    def latent(self, label: int, index: int) -> np.ndarray:
        """(C, H, W) float32."""
        return self._latents[label][index]


def write_table(path: str | Path, rows: Sequence[tuple]) -> None:
    """CSV of rows, each with values of COLUMNS."""
    with whole_file(path) as scratch:
        pd.DataFrame(rows, columns=COLUMNS).to_csv(scratch, index=False)


def write_modes(path: str | Path, of_classes: dict[str, tuple[np.ndarray, np.ndarray]]) -> None:
    """(latents (count, C, H, W) float32, rows (count,)) of each class id, in the layout of a shard of latents."""
    tensors = {}
    for class_id, (latents, rows) in of_classes.items():
        tensors |= {latent_key(class_id): latents, f"rows/{class_id}": np.asarray(rows, dtype=np.int64)}
    write_tensors(path, tensors)
