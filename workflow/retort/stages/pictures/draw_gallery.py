"""The same classes across distilled sets, in one picture."""

from collections.abc import Sequence

from retort.data.manifest import read_classes
from retort.report.first_images import first_of, with_real
from retort.report.sheet import draw_sheet

LONGEST = 22  # letters of a class's name


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
    """One row per distilled set, one column per class with its name: the first image of each, real images above."""
    shown = read_classes(class_table)[:most_classes]
    rows = [
        (name, [[first_of(pixels, labels, c.index, 1)[0] for c in shown]])
        for name, (pixels, labels) in with_real(sets, names, manifest, shown, side)
    ]
    draw_sheet(rows, ("",), figure, columns=[_short(c.name) for c in shown])


def _short(name: str) -> str:
    """The first of several names of a class, as ImageNet has them, cut where it is long."""
    first = name.split(",")[0]
    return first if len(first) <= LONGEST else f"{first[: LONGEST - 1]}…"
