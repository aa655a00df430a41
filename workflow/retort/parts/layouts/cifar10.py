"""CIFAR-10, from its python archive."""

from typing import Literal

from pydantic import Field

from retort.base.grammar import Name
from retort.base.paths import LocalPath
from retort.parts.layouts import FOLDER, KIND, SIDE
from retort.parts.layouts._cifar import Cifar


class Cifar10(Cifar):
    """CIFAR-10 is read from its python archive; its classes have the archive's order: airplane, automobile, ..."""

    kind: Literal["cifar10"] = Field(description=KIND)
    name: Name = Field("cifar10", description=FOLDER)
    resolution: int = Field(32, ge=8, le=4096, description=SIDE)
    path: LocalPath = Field(
        description="This is cifar-10-python.tar.gz, the folder cifar-10-batches-py, or a folder that holds one of "
        "them."
    )
