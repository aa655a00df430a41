"""Contact sheets: what is in a distilled set, and the same classes across methods."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from retort.data.files import whole_directory
from retort.data.manifest import read_classes
from retort.stages.decode import open_split
from retort.stages.distilled import read_set
from retort.stages.sheet import draw_sheet

MOST_CLASSES, MOST_IMAGES = 20, 10


def draw_contact_sheet(distilled: str, train: str, class_table: str, output: str, *, title: str) -> None:
    """One row per class: real training images on the left, the distilled ones on the right."""
    real, real_labels = open_split(train)
    pixels, labels = read_set(distilled, train)
    rows = [
        (c.name, [_first(real, real_labels, c.index, 5), _first(pixels, labels, c.index, MOST_IMAGES)])
        for c in read_classes(class_table)[:MOST_CLASSES]
    ]
    draw_sheet(rows, ("real", title), output)


def draw_gallery(sets: Sequence[str], names: Sequence[str], train: str, class_table: str, output: str) -> None:
    """One row per distilled set, one column per class: the first image of each, real images above."""
    classes = read_classes(class_table)[:MOST_CLASSES]
    rows = [
        (name, [[_first(pixels, labels, c.index, 1)[0] for c in classes]])
        for name, (pixels, labels) in _with_real(sets, names, train)
    ]
    draw_sheet(rows, ("",), output)


def draw_classes(sets: Sequence[str], names: Sequence[str], train: str, class_table: str, output: str) -> None:
    """A folder of one sheet per class, named by label index: one row per distilled set, real images above."""
    found = _with_real(sets, names, train)
    with whole_directory(output) as scratch:
        for c in read_classes(class_table)[:MOST_CLASSES]:
            rows = [(name, [_first(pixels, labels, c.index, MOST_IMAGES)]) for name, (pixels, labels) in found]
            draw_sheet(rows, (f"class {c.name}",), str(Path(scratch, f"class-{c.index:04d}.png")))


def _with_real(sets: Sequence[str], names: Sequence[str], train: str) -> list[tuple[str, tuple]]:
    return [("real", open_split(train)), *((n, read_set(s, train)) for n, s in zip(names, sets, strict=True))]


def _first(pixels: np.ndarray, labels: np.ndarray, label: int, count: int) -> list[np.ndarray]:
    return [pixels[i] for i in np.flatnonzero(labels == label)[:count]]
