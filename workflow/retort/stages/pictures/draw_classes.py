"""A picture of each class across distilled sets."""

from collections.abc import Sequence
from pathlib import Path

from retort.base.files import whole_directory
from retort.data.manifest import read_classes
from retort.report.first_images import MOST_IMAGES, first_of, with_real
from retort.report.sheet import draw_sheet


def draw_classes(
    sets: Sequence[str],
    names: Sequence[str],
    manifest: str,
    class_table: str,
    figures: str,
    *,
    most_classes: int,
    side: int,
) -> None:
    """A folder of one sheet per class, named by label index: one row per distilled set, real images above."""
    shown = read_classes(class_table)[:most_classes]
    found = with_real(sets, names, manifest, shown, side)
    with whole_directory(figures) as scratch:
        for c in shown:
            rows = [(name, [first_of(pixels, labels, c.index, MOST_IMAGES)]) for name, (pixels, labels) in found]
            draw_sheet(rows, (f"class {c.name}",), str(Path(scratch, f"class-{c.index:04d}.png")))
