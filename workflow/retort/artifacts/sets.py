"""A distilled set on disk: a manifest and its PNGs, in folders or in one archive, or, for the full set, no images."""

from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path

import numpy as np

from retort.artifacts.pixels import open_split
from retort.base.batches import in_batches
from retort.base.errors import Corrupt
from retort.base.files import inside
from retort.base.tables import read_table
from retort.data.images import BadImage
from retort.data.stores import ARCHIVE, StoredImages, read_square, read_whole
from retort.data.streams import read_ahead

MANIFEST = "manifest.csv"
TOGETHER = 16  # images that a reader hands over at once
COLUMNS = [
    *("file", "class_id", "class_name", "class_index", "index", "source"),
    "row",  # in the train split: of a real image, of the patches in an image, of the representative that guided it
    "seed_row",  # there, of the image whose noised latent it started from
    *("group", "score"),  # of D3HR's search, or of patches
    *("origin", "cluster_size"),  # of a discovery's representative
    *("member", "correct", "confidence"),  # of the pool, and what the selecting teacher says
    *("loss_before", "loss_after"),  # of the refinement
]


def read_set(
    directory: str | Path,
    train: str | Path | None,
    classes: int | None = None,
    most: int | None = None,
    threads: int = 1,
) -> tuple[np.ndarray, np.ndarray]:
    """(pixels (N, h, h, 3) uint8, labels (N,) int64) in manifest order.

    Of the first `classes` classes alone, and no more than `most` images of each, where these are given.
    A row without a file is a row of the decoded training split `train`, which no other set needs; a manifest of all of
    its rows is read as a memory map. threads: see `stream_set`. Raises Corrupt when the manifest is, and as that does.
    """
    listed, read = Path(directory, MANIFEST), ["file", "class_index", "index", "row"]
    dtypes = {"file": str, "row": str, "class_index": int, "index": int}
    rows = read_table(listed, read, usecols=lambda name: name in read, dtype=dtypes, keep_default_na=False)
    if classes is not None:
        rows = rows[rows["class_index"] < classes]
    if most is not None:
        rows = rows[rows["index"] < most]
    labels = rows["class_index"].to_numpy(np.int64, copy=True)
    if (rows["file"] == "").all():
        pixels, _ = open_split(train)
        order = rows["row"].astype(np.int64).to_numpy()
        return (pixels if np.array_equal(order, np.arange(len(pixels))) else pixels[order]), labels
    pixels = None
    for place, image in enumerate(stream_set(directory, rows["file"].tolist(), threads)):
        if pixels is None:
            pixels = np.empty((len(labels), *image.shape), np.uint8)
        pixels[place] = image
    return pixels, labels


def stream_set(
    directory: str | Path, files: Sequence[str], threads: int = 1, side: int | None = None
) -> Iterator[np.ndarray]:
    """(h, w, 3) uint8 for each of the files that the set's manifest names, in order, whichever form it is stored in.

    All are of one size, or squares of `side` where that is given. Where there are many files, as many processes as
    `threads` read ahead, within what `read_ahead` allows them. Raises Corrupt when a file lies outside the set, is
    missing or unreadable, or has another size than the first.
    """
    if not files:
        return
    images = open_images(directory, files)
    try:
        shape = np.asarray(images.rgb(files[0])).shape
        read = partial(read_square, side=side) if side else partial(read_whole, shape=shape)
        size = side * side * 3 if side else int(np.prod(shape))
        batches = list(in_batches(files, TOGETHER))
        for batch in read_ahead(batches, partial(read, images=images), threads, stack=True, size=size):
            yield from batch
    except BadImage as error:
        raise unreadable(directory, error) from None


def open_images(directory: str | Path, files: Sequence[str]) -> StoredImages:
    """The images of a set, all of whose `files` are there. Raises Corrupt if not, or when one lies outside the set."""
    for file in files:
        inside(directory, file, Path(directory, MANIFEST))
    images = StoredImages(directory)
    try:
        missing = images.missing(files)
    except BadImage as error:
        raise Corrupt(directory, f"holds an archive that cannot be read ({error})") from None
    if missing:
        neither = f", and has no {ARCHIVE}" if len(missing) == len(files) and not images.packed else ""
        raise Corrupt(directory, f"lacks {missing[0]} ({len(missing)} missing){neither}")
    return images


def unreadable(directory: str | Path, error: BadImage) -> Corrupt:
    return Corrupt(directory, f"holds an image that cannot be read ({error})")
