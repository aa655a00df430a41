"""A distilled set on disk: an ImageFolder of PNGs with a manifest, or, for the full set, the manifest alone."""

from pathlib import Path

import numpy as np
import pandas as pd
from PIL import Image

from retort.errors import RetortError
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
    its rows is read as a memory map. Raises RetortError when an image is missing.
    """
    rows = pd.read_csv(
        Path(directory, MANIFEST),
        usecols=["file", "class_index", "index", "row"],
        dtype={"file": str, "row": str},
        keep_default_na=False,
    )
    if classes is not None:
        rows = rows[rows["class_index"] < classes]
    if most is not None:
        rows = rows[rows["index"] < most]
    labels = rows["class_index"].to_numpy(np.int64, copy=True)
    if (rows["file"] == "").all():
        pixels, _ = open_split(train)
        order = rows["row"].astype(np.int64).to_numpy()
        return (pixels if np.array_equal(order, np.arange(len(pixels))) else pixels[order]), labels
    files = [Path(directory, file) for file in rows["file"]]
    if missing := [file for file in files if not file.is_file()]:
        lacks = missing[0].relative_to(directory)
        raise RetortError(f"{directory} lacks {lacks} ({len(missing)} missing); delete the folder and run again")
    first = np.asarray(Image.open(files[0]))
    pixels = np.empty((len(files), *first.shape), np.uint8)
    for place, file in enumerate(files):
        pixels[place] = np.asarray(Image.open(file))
    return pixels, labels
