"""Tiny-ImageNet, as published."""

from pathlib import Path
from typing import Literal

from pydantic import Field

from retort.base.grammar import Name
from retort.base.paths import LocalPath
from retort.parts.layouts import FOLDER, KIND, SIDE, InFolders


class TinyImageNet(InFolders):
    """Tiny-ImageNet is read as published, as tiny-imagenet-200, with its 200 wnids sorted."""

    kind: Literal["tiny-imagenet"] = Field(description=KIND)
    name: Name = Field("tiny-imagenet", description=FOLDER)
    resolution: int = Field(64, ge=8, le=4096, description=SIDE)
    path: LocalPath = Field(description="This is the folder tiny-imagenet-200, with wnids.txt, train/ and val/.")

    def list_classes(self, wanted):
        from retort.data.layouts import tiny_imagenet

        return tiny_imagenet.list_classes(Path(self.path), wanted)

    def places(self, classes):
        from retort.data.layouts import tiny_imagenet

        return tiny_imagenet.places(Path(self.path), classes)

    def known_ids(self):
        from retort.data.imagenet import imagenet_classes

        return [*self.list_classes(None), *imagenet_classes()]

    def list_images(self, classes):
        from retort.data.layouts import tiny_imagenet

        return tiny_imagenet.list_images(Path(self.path), classes)

    def readable_names(self, classes):
        from retort.data.layouts import tiny_imagenet

        return tiny_imagenet.class_names(Path(self.path), classes)
