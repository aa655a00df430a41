"""Sets in a tensor file, as methods publish them that optimise pixels: images and labels."""

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np

from retort.base.errors import RetortError
from retort.base.files import sha256_of
from retort.data.elsewhere import SOFT, Asked, FoundSet, note_of_soft_labels
from retort.data.elsewhere.ranges import MOST_OUTSIDE, scale_of
from retort.data.elsewhere.tensor_files import ReadPickle, Rows, open_file, wanted

Arranged = Callable[[np.ndarray], np.ndarray]


def found_in_tensors(path: Path, asked: Asked, tensors_of: ReadPickle) -> FoundSet:
    """Images in the order of their rows: `images` (N, C, H, W) or (N, H, W, C) of one or three channels, uint8 or
    numbers of a range that is stated or shows (see `ranges`), and `labels` (N) of whole numbers.

    tensors_of: what takes tensors out of a .pt and runs nothing. No more than a row is held at a time, but of a .pt.
    The checksum is that of the file. Raises RetortError for tensors of other shapes, values that are not finite, and a
    range that does not decide what they mean.
    """
    tensors = open_file(path, tensors_of)
    images, labels = wanted(path, tensors, "images"), _labels(path, wanted(path, tensors, "labels"))
    arranged = _arranged(path, images)
    if images.shape[0] != len(labels):
        raise RetortError(f"{path} has {images.shape[0]} images and {len(labels)} labels; each image has one label")
    if not labels:
        raise RetortError(f"{path} holds no image")
    low, high = _range_of(path, images, arranged)
    try:
        scale = scale_of(images.dtype, low, high, asked.values)
    except RetortError as error:
        raise RetortError(f"{path}: {error}") from None
    if _channels(images) == 1 and not scale.alike:
        raise RetortError(f"{path}: images have one channel, and values says three ({scale.words}); save bytes")
    words = f"images are {images.dtype} from {low.min():.4g} to {high.max():.4g}, read as {scale.words}"
    notes = [*note_of_soft_labels(tensors), words]
    if beyond := sum(scale.outside(arranged(row)) for row in images.all()) if asked.values else 0:
        share = beyond * _channels(images) / (3 * int(np.prod(images.shape)))
        if share > MOST_OUTSIDE:
            raise RetortError(
                f"{path}: {share:.0%} of the values lie outside what values says ({scale.words}); found "
                f"{low.min():.4g} to {high.max():.4g}"
            )
        notes.append(f"{share:.2%} of the values lie beyond black or white and are cut off")

    def read(positions: Sequence[int], threads: int) -> Iterator[np.ndarray]:
        yield from (scale.bytes_of(arranged(row)) for row in images.rows(positions))

    names = [f"{path.name}, image {row}" for row in range(len(labels))]
    soft = {name: tensors[name] for name in SOFT if name in tensors}
    return FoundSet("tensor file", labels, True, names, read, lambda _: sha256_of(path), notes=notes, soft=soft)


def _labels(path: Path, labels: Rows) -> list[str]:
    if len(labels.shape) != 1 or not np.issubdtype(labels.dtype, np.integer):
        kind = "text" if labels.dtype.kind in "USO" else labels.dtype
        raise RetortError(
            f"{path}: labels are {kind} of shape {labels.shape}; one whole number for each image is needed"
        )
    return [str(int(label)) for label in labels.all()]


def _arranged(path: Path, images: Rows) -> Arranged:
    """What makes (h, w, 3) of a row."""
    shape = images.shape
    if len(shape) != 4 or (shape[1] in (1, 3)) == (shape[3] in (1, 3)):
        why = "both ends may be channels" if len(shape) == 4 and shape[1] in (1, 3) else "no axis is 1 or 3 channels"
        raise RetortError(f"{path}: images have the shape {shape}, and {why}; (N, 3, H, W) or (N, H, W, 3) is needed")
    if images.dtype.kind not in "uif":
        raise RetortError(f"{path}: images are {images.dtype}; save them as uint8, float16 or float32")
    first = shape[1] in (1, 3)

    def arranged(row: np.ndarray) -> np.ndarray:
        last = row.transpose(1, 2, 0) if first else row
        return np.broadcast_to(last, (*last.shape[:2], 3))

    return arranged


def _channels(images: Rows) -> int:
    return images.shape[1] if images.shape[1] in (1, 3) else images.shape[3]


def _range_of(path: Path, images: Rows, arranged: Arranged) -> tuple[np.ndarray, np.ndarray]:
    """The least and the greatest value of each channel. Raises RetortError for a value that is not finite."""
    low, high = np.full(3, np.inf), np.full(3, -np.inf)
    for number, row in enumerate(images.all()):
        pixels = arranged(row)
        if images.dtype.kind == "f" and not np.isfinite(pixels).all():
            raise RetortError(f"{path}: image {number} has values that are not finite; leave it out or make it again")
        low, high = np.minimum(low, pixels.min(axis=(0, 1))), np.maximum(high, pixels.max(axis=(0, 1)))
    return low, high
