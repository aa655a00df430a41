"""ImageNet-1K and its parts, as they are published and as fastai cuts them."""

from pathlib import Path
from typing import Literal

from pydantic import Field, model_validator
from pydantic_core import PydanticCustomError

from retort.base.paths import LocalPath
from retort.parts.layouts import KIND, ImageNetSubset, InFolders, Local


class ImageNet(InFolders):
    """ImageNet-1K, or a part of it, lies in train/<wnid>/, and in val/<wnid>/ or the flat validation folder.

    fastai's imagenette2 and imagewoof2 folders have the same layout, but hold out other images than ImageNet's
    validation set, so results on them and on ImageNet's own split do not compare.
    """

    layout_keys = ("path", "val", "ground_truth")

    kind: Literal["imagenet"] = Field(description=KIND)
    path: LocalPath = Field(
        description="This folder holds train/ with a folder per wnid. It is ILSVRC/Data/CLS-LOC of Kaggle's archive, "
        "say, or fastai's imagenette2 (with subset: imagenette; its val/ is not ImageNet's)."
    )
    val: LocalPath | None = Field(
        None, description="The validation images are in this folder; by default it is val/ under path."
    )
    ground_truth: LocalPath | None = Field(
        None,
        description="This file has the classes of validation images that lie in one flat folder. It is "
        "ILSVRC2012_validation_ground_truth.txt (with the devkit's meta.mat beside it), Kaggle's LOC_val_solution.csv, "
        "or a text file of two columns: file and wnid, or file and position in the sorted wnids.",
    )
    subset: ImageNetSubset | None = Field(
        None,
        description="This published part of the 1,000 classes is used, in its order. By default it is imagenet1k, "
        "unless classes names others.",
    )
    check: Literal["decode", "header"] = Field("header", description=Local.model_fields["check"].description)
    watch: Literal["images", "folders"] = Field("folders", description=InFolders.model_fields["watch"].description)

    @model_validator(mode="after")
    def _one_list_of_classes(self):
        if self.subset is not None and self.classes is not None:
            raise PydanticCustomError("exactly_one", "give subset or classes, not both; found both", {})
        return self

    def list_classes(self, wanted):
        from retort.data.layouts import ilsvrc

        return ilsvrc.list_classes(Path(self.path), self.subset, wanted)

    def places(self, classes):
        from retort.data.layouts import ilsvrc

        return ilsvrc.places(Path(self.path), classes, self.val, self.ground_truth)

    def known_ids(self):
        from retort.data.imagenet import imagenet_classes

        return list(imagenet_classes())

    def published_name(self, classes):
        from retort.data.imagenet import FULL
        from retort.data.layouts import ilsvrc

        others = ilsvrc.holds_out_others(Path(self.path), classes, self.val, self.ground_truth)
        return None if others else self.subset or FULL

    def list_images(self, classes):
        from retort.data.layouts import ilsvrc

        return ilsvrc.list_images(Path(self.path), classes, self.val, self.ground_truth)

    def readable_names(self, classes):
        from retort.data.layouts import ilsvrc

        return ilsvrc.class_names(classes)
