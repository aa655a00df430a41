"""Images that are in both splits, byte for byte: on them, students are measured on what the set was made of."""

import hashlib
import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

import pandas as pd

TOGETHER = 256  # files that one thread looks at before it takes more
PIECE = 4096  # bytes in the middle of a file that are compared before the whole


class Twin(NamedTuple):
    """A validation image, its class, and a training image of the same bytes."""

    class_id: str
    val: str
    train: str


def in_both_splits(images: pd.DataFrame, threads: int) -> list[Twin]:
    """Validation images that are training images as well, in the order of the manifest; of any classes.

    images: split, class_id, path, width, height. Files of one size and side are compared by a piece from their middle,
    and those that are still alike by all of their bytes, so that of different images few are read and none in full.
    """
    keys = ["bytes", "width", "height"]
    known = images[["split", "class_id", "path", "width", "height"]]
    known = _shared(known.assign(bytes=_of_each(known["path"], _size, threads)), keys)
    for digest in (_middle, _whole):
        known = _shared(known.assign(digest=_of_each(known["path"], digest, threads)), [*keys, "digest"])
    first = known[known["split"] == "train"].drop_duplicates([*keys, "digest"])
    pairs = known[known["split"] == "val"].merge(first, on=[*keys, "digest"], suffixes=("", "_train"))
    return [Twin(*row) for row in pairs[["class_id", "path", "path_train"]].itertuples(index=False)]


def _shared(images: pd.DataFrame, keys: list[str]) -> pd.DataFrame:
    """The rows whose keys both splits have; a size of -1 is that of no file."""
    splits = {split: images.loc[images["split"] == split, keys].drop_duplicates() for split in ("train", "val")}
    shared = splits["train"].merge(splits["val"], on=keys)
    return images.merge(shared[shared["bytes"] >= 0], on=keys)


def _of_each(paths: pd.Series, measure: Callable[[str], object], threads: int) -> list:
    """What `measure` says of each file, in order; a few hundred to a task of the pool."""
    names = paths.tolist()
    parts = [names[i : i + TOGETHER] for i in range(0, len(names), TOGETHER)]
    with ThreadPoolExecutor(max(1, threads)) as pool:
        return [found for part in pool.map(lambda part: [measure(path) for path in part], parts) for found in part]


def _size(path: str) -> int:
    try:
        return os.stat(path).st_size  # noqa: PTH116 (a million of them)
    except OSError:  # gone since it was looked at, which whoever reads it says
        return -1


def _readable(measure: Callable[[str], bytes]) -> Callable[[str], bytes]:
    """The same of files that can be read; one that cannot equals no other, which whoever needs it will say."""

    def measured(path: str) -> bytes:
        try:
            return measure(path)
        except OSError:
            return path.encode(errors="surrogateescape")

    return measured


@_readable
def _middle(path: str) -> bytes:
    with open(path, "rb") as handle:
        handle.seek(max(0, os.fstat(handle.fileno()).st_size // 2 - PIECE // 2))
        return handle.read(PIECE)


@_readable
def _whole(path: str) -> bytes:
    with open(path, "rb") as handle:
        return hashlib.file_digest(handle, "sha256").digest()
