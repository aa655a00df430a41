"""A distilled set on disk: an ImageFolder of PNGs with a manifest, or, for the full set, the manifest alone."""

from pathlib import Path

import numpy as np

from retort.data.files import inside
from retort.data.images import BadImage, read_rgb
from retort.data.tables import read_table
from retort.errors import Damaged
from retort.stages.decode import open_split

MANIFEST = "manifest.csv"
COLUMNS = [
    *("file", "class_id", "class_name", "class_index", "index", "source"),
    "row",  # in the train split: of a real image, of the patches in an image, of the representative that guided it
    *("group", "score"),  # of D3HR's search, or of patches
    *("origin", "cluster_size"),  # of a discovery's representative
    *("member", "correct", "confidence"),  # of the pool, and what the selecting teacher says
    *("loss_before", "loss_after"),  # of the refinement
]


def read_set(
    directory: str | Path, train: str | Path | None, classes: int | None = None, most: int | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """(pixels (N, h, h, 3) uint8, labels (N,) int64) in manifest order.

    Of the first `classes` classes alone, and no more than `most` images of each, where these are given.
    A row without a file is a row of the decoded training split `train`, which no other set needs; a manifest of all of
    its rows is read as a memory map. Raises Damaged when the manifest is, or names a file outside, and when an image is
    missing, unreadable or of another size than the first.
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
    files = [inside(directory, file, listed) for file in rows["file"]]
    if missing := [file for file in files if not file.is_file()]:
        raise Damaged(directory, f"lacks {missing[0].relative_to(directory)} ({len(missing)} missing)")
    pixels = None
    for place, file in enumerate(files):
        image = _image(directory, file)
        if pixels is None:
            pixels = np.empty((len(files), *image.shape), np.uint8)
        if image.shape != pixels.shape[1:]:
            raise Damaged(directory, f"holds images of {pixels.shape[1:]} and, {file.name}, of {image.shape}")
        pixels[place] = image
    return pixels, labels


def _image(directory: str | Path, file: Path) -> np.ndarray:
    try:
        return np.asarray(read_rgb(file))
    except BadImage as error:
        raise Damaged(directory, f"holds an image that cannot be read ({error})") from None
