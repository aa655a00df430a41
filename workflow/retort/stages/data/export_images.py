"""A data set that does not come as files, as an image folder."""

from collections.abc import Sequence

from retort.base.files import whole_directory
from retort.data.sources import write_images


def export_images(images: str, layout: dict, class_ids: Sequence[str]) -> None:
    """A data set that does not come as files, as an image folder: whole or not at all."""
    with whole_directory(images) as scratch:
        write_images(layout, scratch, list(class_ids))
