"""Copies of data sets from the Hugging Face hub."""

from pathlib import Path
from typing import Literal

from pydantic import Field

from retort.base.paths import LocalPath
from retort.parts.layouts import KIND, ImageNetSubset, InFolders


class HuggingFace(InFolders):
    """A copy of a data set from the Hugging Face hub lies on this machine, as Parquet shards or as an image folder.

    Shards hold their own images and class names; they are written out once, byte for byte.
    """

    layout_keys = ("path", "format", "label_column", "label_ids", "image_column", "val_split", "val_fraction")

    kind: Literal["huggingface"] = Field(description=KIND)
    path: LocalPath = Field(
        description="This folder, or data/ in it, holds the shards or the splits. Shards may also be in the one folder "
        "of a configuration in it, such as plain_text/."
    )
    format: Literal["parquet", "imagefolder"] = Field(
        "parquet",
        description="The copy has this form: parquet is train-00000-of-00001.parquet and so on, imagefolder is "
        "train/<class>/ and so on.",
    )
    label_column: str | None = Field(
        None,
        description="This column of the Parquet shards has the class labels. It must be given where there are several "
        "(fine_label), and where labels are text or whole numbers that the shards do not describe as classes.",
    )
    image_column: str | None = Field(
        None,
        description="This column of the Parquet shards has the images. It must be given where there are several, such "
        "as images and masks.",
    )
    val_split: str | None = Field(
        None,
        pattern=r"^[A-Za-z0-9_.-]+$",
        description="The images of the split with this name are held out, by default of validation, or else of test. "
        "With none, val_fraction of the train split is held out, as is right where other labels are withheld.",
    )
    label_ids: ImageNetSubset | None = Field(
        None,
        description="The wnids of this part of ImageNet are the class ids of the Parquet labels, label by label "
        "(imagenet1k for copies of ILSVRC/imagenet-1k). By default the names of the labels are the ids.",
    )
    val_fraction: float = Field(
        0.2,
        gt=0,
        lt=1,
        description="This share of each class, rounded to whole images, is held out where there is only a train split.",
    )

    @property
    def written_out(self) -> bool:
        return self.format == "parquet"

    def list_classes(self, wanted):
        from retort.data.layouts import folders, huggingface

        if self.written_out:
            return huggingface.parquet_classes(self._asked(), wanted)
        return folders.list_folder_classes(Path(self.path), wanted, self._splits())

    def places(self, classes):
        from retort.data.layouts import folders, huggingface

        if self.written_out:
            return huggingface.parquet_places(self._asked())
        return folders.places(Path(self.path), classes, self._splits())

    def known_ids(self):
        from retort.data.imagenet import imagenet_classes

        return list(imagenet_classes()) if self.label_ids else super().known_ids()

    def list_images(self, classes):
        from retort.data.layouts import folders

        return folders.list_images(Path(self.path), classes, self.val_fraction, self._splits())

    def write_images(self, folder, classes):
        from retort.data.layouts import huggingface

        huggingface.write_images(self._asked(), folder, classes)

    def readable_names(self, classes):
        from retort.data.layouts import huggingface

        return huggingface.parquet_names(self._asked()) if self.written_out else {}

    def _asked(self):
        from retort.data.layouts import huggingface

        return huggingface.asked_of(self.layout())

    def _splits(self):
        from retort.data.layouts import huggingface

        return huggingface.folder_splits(Path(self.path), self.val_split)
