"""Contact sheets: what is in a distilled set, and the same classes across methods."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from retort.data.files import whole_directory
from retort.data.manifest import read_classes
from retort.stages.decode import open_split
from retort.stages.distilled import read_set
from retort.stages.sheet import draw_sheet

MOST_IMAGES = 10


def draw_contact_sheet(distilled: str, train: str, class_table: str, output: str, *, classes: int, title: str) -> None:
    """One row per class: real training images on the left, the distilled ones on the right."""
    real, real_labels = open_split(train)
    pixels, labels = read_set(distilled, train, classes, MOST_IMAGES)
    rows = [
        (c.name, [_first(real, real_labels, c.index, 5), _first(pixels, labels, c.index, MOST_IMAGES)])
        for c in read_classes(class_table)[:classes]
    ]
    draw_sheet(rows, ("real", title), output)


def draw_gallery(
    sets: Sequence[str], names: Sequence[str], train: str, class_table: str, output: str, *, classes: int
) -> None:
    """One row per distilled set, one column per class: the first image of each, real images above."""
    shown = read_classes(class_table)[:classes]
    rows = [
        (name, [[_first(pixels, labels, c.index, 1)[0] for c in shown]])
        for name, (pixels, labels) in _with_real(sets, names, train, classes)
    ]
    draw_sheet(rows, ("",), output)


def draw_classes(
    sets: Sequence[str], names: Sequence[str], train: str, class_table: str, output: str, *, classes: int
) -> None:
    """A folder of one sheet per class, named by label index: one row per distilled set, real images above."""
    found = _with_real(sets, names, train, classes)
    with whole_directory(output) as scratch:
        for c in read_classes(class_table)[:classes]:
            rows = [(name, [_first(pixels, labels, c.index, MOST_IMAGES)]) for name, (pixels, labels) in found]
            draw_sheet(rows, (f"class {c.name}",), str(Path(scratch, f"class-{c.index:04d}.png")))


def _with_real(sets: Sequence[str], names: Sequence[str], train: str, classes: int) -> list[tuple[str, tuple]]:
    found = [(name, read_set(path, train, classes, MOST_IMAGES)) for name, path in zip(names, sets, strict=True)]
    return [("real", open_split(train)), *found]


def _first(pixels: np.ndarray, labels: np.ndarray, label: int, count: int) -> list[np.ndarray]:
    return [pixels[i] for i in np.flatnonzero(labels == label)[:count]]
