"""Images and folders that must be there, and what is said where they are not."""

import os
from collections.abc import Sequence
from pathlib import Path

from retort.base.errors import RetortError, some_of
from retort.data.class_ids import spelt_as
from retort.data.layouts.instead import instead_of_images, near_folder, train_nearby
from retort.data.layouts.listing import EXTENSIONS, ImageFile, folder_names, image_names, nearest_of


def images_in(folder: Path, split: str, class_id: str) -> list[ImageFile]:
    """The images of a folder that holds one class, by name. Raises RetortError when there are none."""
    names = image_names(folder)
    if not names:
        raise RetortError(
            f"{folder} has no images{instead_of_images(folder)} (looked for {', '.join(sorted(EXTENSIONS))})"
        )
    return [ImageFile(split, class_id, f"{class_id}/{name}", f"{folder}{os.sep}{name}") for name in names]


def require_folders(root: Path, classes: Sequence[str]) -> None:
    """Raises RetortError unless `root` has a folder for each class."""
    if not root.is_dir():
        near = train_nearby(root.parent) if root.name == "train" else near_folder(root)
        raise RetortError(
            f"there is no folder {root}, which should hold one folder per class{near or '; check dataset.path'}"
        )
    found = folder_names(root)
    if missing := sorted(set(spelt_as(classes, found)) - set(found)):
        raise RetortError(
            f"{root} has no folder for {some_of(missing)}{nearest_of(missing, found)}; it has {some_of(found)}"
        )
