"""The cells of a distilled set, (class_index, index), in tables and in files of images that were made."""

from collections.abc import Sequence

import numpy as np

from retort.base.files import read_rows

Cell = tuple[int, int]


def cell_of(row: dict[str, str]) -> Cell:
    """The cell that a row of a table is for."""
    return int(row["class_index"]), int(row["index"])


def places_of(tensors: dict[str, np.ndarray]) -> dict[Cell, int]:
    """Where each cell stands in a file of images, in the file's order."""
    pairs = zip(tensors["class_index"].tolist(), tensors["index"].tolist(), strict=True)
    return {cell: place for place, cell in enumerate(pairs)}


def members_of(choices: Sequence[str]) -> dict[Cell, int]:
    """The member of a pool that each cell takes, from the tables of `choose_from_pool`."""
    return {cell_of(row): int(row["member"]) for path in choices for row in read_rows(path)}
