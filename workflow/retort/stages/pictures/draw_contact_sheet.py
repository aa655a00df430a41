"""Contact sheets: what is in a distilled set, beside real images."""

from retort.artifacts.sets import read_set
from retort.data.manifest import read_classes
from retort.report.first_images import MOST_IMAGES, first_of, real_images
from retort.report.sheet import draw_sheet


def draw_contact_sheet(
    distilled: str,
    train: str | None,
    manifest: str,
    class_table: str,
    figure: str,
    *,
    most_classes: int,
    side: int,
    title: str,
) -> None:
    """One row per class: real training images on the left, the distilled ones on the right.

    train: the decoded split, for the set that is all of it.
    """
    shown = read_classes(class_table)[:most_classes]
    real, real_labels = real_images(manifest, shown, side)
    pixels, labels = read_set(distilled, train, most_classes, MOST_IMAGES)
    rows = [
        (c.name, [first_of(real, real_labels, c.index, 5), first_of(pixels, labels, c.index, MOST_IMAGES)])
        for c in shown
    ]
    draw_sheet(rows, ("real", title), figure)
