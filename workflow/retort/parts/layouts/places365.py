"""Places365-Standard, as published."""

from pathlib import Path
from typing import Literal

from pydantic import Field

from retort.base.paths import LocalPath
from retort.parts.layouts import KIND, InFolders, Local


class Places365(InFolders):
    """Places365-Standard lies in train/<class>/ and val/<class>/, or in the development kit's folders with its lists.

    Class ids are like airfield and apartment_building-outdoor, in the order of categories_places365.txt.
    """

    kind: Literal["places365"] = Field(description=KIND)
    path: LocalPath = Field(
        description="This folder holds train/ (or data_256/, data_large/) and val/ (or val_256/, val_large/), and for "
        "flat validation images also categories_places365.txt and places365_val.txt."
    )
    check: Literal["decode", "header"] = Field("header", description=Local.model_fields["check"].description)
    watch: Literal["images", "folders"] = Field("folders", description=InFolders.model_fields["watch"].description)

    def list_classes(self, wanted):
        from retort.data.layouts import places

        return places.list_classes(Path(self.path), wanted)

    def places(self, classes):
        from retort.data.layouts import places

        return places.places(Path(self.path), classes)

    def list_images(self, classes):
        from retort.data.layouts import places

        return places.list_images(Path(self.path), classes)

    def readable_names(self, classes):
        return {class_id: class_id.replace("_", " ").replace("-", " ") for class_id in classes}
