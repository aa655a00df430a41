"""A set that was made elsewhere, as it was imported: its images at the set's side, where each was, and its origin."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from retort.base.files import each_row, read_json
from retort.base.tensors import Layout, open_tensors

IMAGES, SOURCES, ORIGIN = "images.safetensors", "sources.csv", "origin.json"
SOURCE_COLUMNS = ["class_index", "index", "source"]


def imported_layout(total: int, side: int) -> Layout:
    """The tensors of IMAGES: pixels, and whose they are, class by class."""
    numbers = dict.fromkeys(("class_index", "index"), ((total,), "int64"))
    return {"pixels": ((total, side, side, 3), "uint8")} | numbers


def imported_images(folder: str | Path) -> Iterator[tuple[dict[str, str], np.ndarray]]:
    """The row of SOURCES and the pixels (side, side, 3) uint8 of each image, class by class."""
    pixels = open_tensors(Path(folder, IMAGES))["pixels"]
    return zip(each_row(Path(folder, SOURCES)), pixels, strict=True)


def count_of(folder: str | Path) -> int:
    """How many images there are."""
    return len(open_tensors(Path(folder, IMAGES))["class_index"])


def origin_of(folder: str | Path) -> dict:
    """What `import_set` recorded of the set (see there)."""
    return read_json(Path(folder, ORIGIN))
