"""Contact sheets: what is in a distilled set, and the same classes across methods."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from tqdm import tqdm

from retort.base.files import whole_directory
from retort.data.manifest import ClassEntry, read_classes, read_split
from retort.data.streams import stream_squares
from retort.stages.distilled import read_set
from retort.stages.sheet import draw_sheet

MOST_IMAGES = 10


def draw_contact_sheet(
    distilled: str,
    train: str | None,
    manifest: str,
    class_table: str,
    output: str,
    *,
    classes: int,
    side: int,
    title: str,
) -> None:
    """One row per class: real training images on the left, the distilled ones on the right.

    train: the decoded split, for the set that is all of it.
    """
    shown = read_classes(class_table)[:classes]
    real, real_labels = _real(manifest, shown, side)
    pixels, labels = read_set(distilled, train, classes, MOST_IMAGES)
    rows = [
        (c.name, [_first(real, real_labels, c.index, 5), _first(pixels, labels, c.index, MOST_IMAGES)]) for c in shown
    ]
    draw_sheet(rows, ("real", title), output)


def draw_gallery(
    sets: Sequence[str], names: Sequence[str], manifest: str, class_table: str, output: str, *, classes: int, side: int
) -> None:
    """One row per distilled set, one column per class: the first image of each, real images above."""
    shown = read_classes(class_table)[:classes]
    rows = [
        (name, [[_first(pixels, labels, c.index, 1)[0] for c in shown]])
        for name, (pixels, labels) in _with_real(sets, names, manifest, shown, side)
    ]
    draw_sheet(rows, ("",), output)


def draw_classes(
    sets: Sequence[str], names: Sequence[str], manifest: str, class_table: str, output: str, *, classes: int, side: int
) -> None:
    """A folder of one sheet per class, named by label index: one row per distilled set, real images above."""
    shown = read_classes(class_table)[:classes]
    found = _with_real(sets, names, manifest, shown, side)
    with whole_directory(output) as scratch:
        for c in shown:
            rows = [(name, [_first(pixels, labels, c.index, MOST_IMAGES)]) for name, (pixels, labels) in found]
            draw_sheet(rows, (f"class {c.name}",), str(Path(scratch, f"class-{c.index:04d}.png")))


def _with_real(
    sets: Sequence[str], names: Sequence[str], manifest: str, shown: Sequence[ClassEntry], side: int
) -> list[tuple[str, tuple[np.ndarray, np.ndarray]]]:
    given = tqdm(list(zip(names, sets, strict=True)), desc="reading", unit="set")
    found = [(name, read_set(path, None, len(shown), MOST_IMAGES)) for name, path in given]
    return [("real", _real(manifest, shown, side)), *found]


def _real(manifest: str, shown: Sequence[ClassEntry], side: int) -> tuple[np.ndarray, np.ndarray]:
    """Pixels and labels of the first training images of each class, from their files."""
    images = read_split(manifest, "train", [c.id for c in shown], columns=["path", "class_id"])
    first, label = images.groupby("class_id").head(MOST_IMAGES), {c.id: c.index for c in shown}
    return np.stack(list(stream_squares(first["path"].tolist(), side))), first["class_id"].map(label).to_numpy()


def _first(pixels: np.ndarray, labels: np.ndarray, label: int, count: int) -> list[np.ndarray]:
    return [pixels[i] for i in np.flatnonzero(labels == label)[:count]]
