"""Sets in Parquet: one file or shards, as this workflow exports them, or as the hub has them."""

import hashlib
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path

import numpy as np

from retort.base.errors import RetortError
from retort.base.files import sha256_of
from retort.data.elsewhere import SOFT, Asked, FoundSet, note_of_soft_labels
from retort.data.elsewhere.forms import shards_in
from retort.data.elsewhere.tensor_files import Rows
from retort.data.images import BadImage, decode_rgb
from retort.data.layouts.parquet_columns import Columns, columns_of, each_row_of, image_bytes
from retort.data.layouts.shards import whole

LABEL_COLUMNS = ("label", "labels")


def found_in_parquet(path: Path, asked: Asked) -> FoundSet:
    """Images in the order of the rows, shard after shard.

    Labels are what the file describes as class labels, with their names, or else the column that is called label or
    that the config names, as numbers or text. The checksum is that of the file, or the SHA-256 of one line for each
    shard, as sha256sum prints it. Raises RetortError for columns that are missing or not clear, for shards that do not
    agree, and for a row without a label.
    """
    import pyarrow.parquet as pq

    shards = whole(shards_in(path))
    columns = _columns(shards[0], asked)
    labels = []
    for shard in shards:
        if _columns(shard, asked) != columns:
            raise RetortError(f"{shard} has other columns or other names of labels than {shards[0].name}")
        found = [label for (label,) in each_row_of(shard, columns.label)]
        if None in found:
            raise RetortError(f"{shard}, row {found.index(None)} has no label in the column {columns.label!r}")
        labels += found
    # Two classes of one name, as ImageNet's two cranes, are told apart by their numbers alone.
    named = columns.names is not None and len(set(columns.names)) == len(columns.names)
    numbered = not named and all(isinstance(label, int) for label in labels)
    called = [_named(label, columns, shards[0]) if named else str(label) for label in labels]
    return FoundSet(
        "Parquet",
        called,
        numbered,
        [f"{shard.name}, row {row}" for shard in shards for row in range(_length(shard))],
        partial(_images, shards, columns.image),
        lambda _: _checksum(shards),
        dict(enumerate(columns.names)) if named else None,
        f"the column {columns.label!r}",
        note_of_soft_labels(held := pq.read_schema(shards[0]).names),
        {name: _soft(shards, name, len(labels)) for name in SOFT if name in held},
        columns.names if named else None,
        f"the column {columns.label!r}" if named else None,
    )


def _columns(shard: Path, asked: Asked) -> Columns:
    return columns_of(shard, asked.image_column, asked.label_column, "", LABEL_COLUMNS)


def _named(label: int, columns: Columns, shard: Path) -> str:
    if not 0 <= label < len(columns.names):
        raise RetortError(
            f"{shard} has the label {label}, and its column {columns.label!r} has {len(columns.names)} names"
        )
    return columns.names[label]


def _length(shard: Path) -> int:
    import pyarrow.parquet as pq

    return pq.read_metadata(shard).num_rows


def _soft(shards: Sequence[Path], column: str, count: int) -> Rows:
    """Lists of numbers, as wide as the first one."""
    first = next((value for shard in shards for (value,) in each_row_of(shard, column)), None)
    numbers = isinstance(first, list) and all(isinstance(value, int | float) for value in first)
    shape = (count, len(first)) if numbers else (count,)

    def rows(positions: Sequence[int]) -> Iterator[np.ndarray]:
        wanted, values = set(positions), (value for shard in shards for (value,) in each_row_of(shard, column))
        for row, value in enumerate(values):
            if row in wanted:
                if value is None or len(value) != shape[-1] or None in value:
                    raise RetortError(f"row {row} of the column {column!r} does not have {shape[-1]} numbers")
                yield np.asarray(value, np.float64)

    return Rows(shape, np.dtype(np.float64 if numbers else object), rows)


def _images(shards: Sequence[Path], column: str, positions: Sequence[int], threads: int) -> Iterator[np.ndarray]:
    """Only the wanted rows are decoded, and no more than a few hundred are held."""
    wanted, position = set(positions), 0
    for shard in shards:
        for row, (value,) in enumerate(each_row_of(shard, column)):
            if position in wanted:
                content = image_bytes(value)
                if not content:
                    raise BadImage(
                        f"{shard}, row {row}: no bytes of an image; only sets that hold their images are read"
                    )
                yield np.asarray(decode_rgb(content, f"{shard}, row {row}"))
            position += 1


def _checksum(shards: Sequence[Path]) -> str:
    if len(shards) == 1:
        return sha256_of(shards[0])
    lines = "".join(f"{sha256_of(shard)}  {shard.name}\n" for shard in shards)
    return hashlib.sha256(lines.encode()).hexdigest()
