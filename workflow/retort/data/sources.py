"""Where real images come from: listed where they lie, or first written out as an image folder.

A `layout` is the part of the config that says so: `kind`, and the keys of the layout that a stage needs
(`retort.parts.layouts`).
"""

from collections.abc import Sequence
from pathlib import Path

from retort.base.seeds import derive_seed
from retort.data.class_ids import refuse_odd_ids
from retort.data.layouts import folders
from retort.data.layouts.listing import ImageFile
from retort.parts.layouts import layout_of


def write_images(layout: dict, folder: Path, classes: Sequence[str]) -> None:
    """The images of a data set that does not come as files, as folder/{train,val}/<class id>/<image>.

    Raises RetortError for archives that are missing, corrupt or not what they should be.
    """
    refuse_odd_ids(classes, "dataset.classes")
    layout_of(layout).write_images(folder, classes)


def list_images(layout: dict, written: str | None, classes: Sequence[str]) -> list[ImageFile]:
    """Every image of the classes, ordered by split, class and name.

    written: the folder that `write_images` filled, if it did. Raises RetortError for data that are missing or laid
    out otherwise, naming the place and what should be there.
    """
    refuse_odd_ids(classes, "dataset.classes")
    if written:
        return folders.list_images(Path(written), classes, layout.get("val_fraction", 0.0))
    return layout_of(layout).list_images(classes)


def class_names(layout: dict, classes: Sequence[str]) -> dict[str, str]:
    """Readable names of the classes that the data set itself names; by class id."""
    return layout_of(layout).readable_names(classes)


def first_drawn(images: list[ImageFile], most: int) -> list[ImageFile]:
    """At most `most` images of each class and split, in the order given, by what each one's name draws."""
    members: dict[tuple[str, str], list[ImageFile]] = {}
    for image in images:
        members.setdefault((image.split, image.class_id), []).append(image)

    def draw(image: ImageFile) -> int:
        return derive_seed("thin", image.split, image.image_id)

    kept = {image for group in members.values() for image in sorted(group, key=draw)[:most]}
    return [image for image in images if image in kept]
