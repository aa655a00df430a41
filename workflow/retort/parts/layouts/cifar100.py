"""CIFAR-100, from its python archive."""

from typing import Literal

from pydantic import Field

from retort.base.grammar import Name
from retort.base.paths import LocalPath
from retort.parts.layouts import FOLDER, KIND, SIDE
from retort.parts.layouts._cifar import Cifar


class Cifar100(Cifar):
    """CIFAR-100 is read from its python archive, with the 100 fine labels in the archive's order: apple, ..."""

    kind: Literal["cifar100"] = Field(description=KIND)
    name: Name = Field("cifar100", description=FOLDER)
    resolution: int = Field(32, ge=8, le=4096, description=SIDE)
    path: LocalPath = Field(
        description="This is cifar-100-python.tar.gz, the folder cifar-100-python, or a folder that holds one of them."
    )
