"""A distilled set on disk: an ImageFolder of PNGs with a manifest, or, for the full set, the manifest alone."""

from pathlib import Path

import numpy as np
from PIL import Image

from retort.data.files import read_rows
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
    directory: str | Path, train: str | Path, classes: int | None = None, most: int | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """(pixels (N, h, h, 3) uint8, labels (N,) int64) in manifest order.

    Of the first `classes` classes alone, and no more than `most` images of each, where these are given.
    A row without a file is a row of the decoded training split `train`; a manifest of all of its rows is read as
    a memory map. Raises RetortError when an image is missing.
    """
    rows = [
        row
        for row in read_rows(Path(directory, MANIFEST))
        if (classes is None or int(row["class_index"]) < classes) and (most is None or int(row["index"]) < most)
    ]
    labels = np.array([int(row["class_index"]) for row in rows])
    if all(row["file"] == "" for row in rows):
        pixels, _ = open_split(train)
        order = np.array([int(row["row"]) for row in rows])
        return (pixels if np.array_equal(order, np.arange(len(pixels))) else pixels[order]), labels
    if missing := [row["file"] for row in rows if not Path(directory, row["file"]).is_file()]:
        raise RetortError(f"{directory} lacks {missing[0]} ({len(missing)} missing); delete the folder and run again")
    return np.stack([np.asarray(Image.open(Path(directory, row["file"]))) for row in rows]), labels
