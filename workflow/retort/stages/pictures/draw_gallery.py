"""The same classes across distilled sets, in one picture."""

from collections.abc import Sequence

from retort.data.manifest import read_classes
from retort.report.first_images import first_of, with_real
from retort.report.sheet import draw_sheet


def draw_gallery(
    sets: Sequence[str],
    names: Sequence[str],
    manifest: str,
    class_table: str,
    figure: str,
    *,
    most_classes: int,
    side: int,
) -> None:
    """One row per distilled set, one column per class: the first image of each, real images above."""
    shown = read_classes(class_table)[:most_classes]
    rows = [
        (name, [[first_of(pixels, labels, c.index, 1)[0] for c in shown]])
        for name, (pixels, labels) in with_real(sets, names, manifest, shown, side)
    ]
    draw_sheet(rows, ("",), figure)
