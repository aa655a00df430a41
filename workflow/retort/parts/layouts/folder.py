"""Images in one folder per class."""

from pathlib import Path
from typing import Literal

from pydantic import Field

from retort.parts.layouts import KIND, InFolders


class Folder(InFolders):
    """Images lie in one folder per class, under train/ and val/ or directly under path, where a share is held out."""

    layout_keys = ("path", "val_fraction")

    kind: Literal["folder"] = Field(description=KIND)
    val_fraction: float = Field(
        0.2,
        gt=0,
        lt=1,
        description="This share of each class, rounded to whole images, is held out where there are no train/ and "
        "val/.",
    )

    def list_classes(self, wanted):
        from retort.data.layouts import folders

        return folders.list_folder_classes(Path(self.path), wanted)

    def places(self, classes):
        from retort.data.layouts import folders

        return folders.places(Path(self.path), classes)

    def list_images(self, classes):
        from retort.data.layouts import folders

        return folders.list_images(Path(self.path), classes, self.val_fraction)
