"""Layouts: how data sets lie on disk, one file for each, with its keys in the config."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from importlib import import_module
from pathlib import Path
from pkgutil import iter_modules
from typing import TYPE_CHECKING, Any, ClassVar, Literal, get_args

from pydantic import Field, field_validator
from pydantic_core import PydanticCustomError

from retort.base.grammar import Count, Name, Strict
from retort.base.paths import LocalPath

if TYPE_CHECKING:
    from retort.data.layouts.listing import ImageFile

# What retort.data.imagenet knows; spelt out, so that editors offer them.
ImageNetSubset = Literal[
    "imagenet1k",
    "imagenette",
    "imagewoof",
    "imagenet-100",
    "idc-10",
    "imagenet-a",
    "imagenet-b",
    "imagenet-c",
    "imagenet-d",
    "imagenet-e",
    "tiny-imagenet",
]

# What each of these keys means, in every layout.
KIND = "This is the layout of the images on disk."
OTHER_FOLDERS = ("figures", "slurm-logs")  # in results/, beside the folders of data sets
FOLDER = "Everything that is made from this data set is kept in this folder under results/."
SIDE = "Distilled images and evaluation images have this side in pixels."


class Layout(Strict):
    """How a data set lies on disk. These keys belong to every data set, wherever its images come from.

    Each layout answers the questions below, by functions of `retort.data.layouts`, which it imports when it is asked.
    """

    layout_keys: ClassVar[tuple[str, ...]]  # of this kind: what says where the images lie and which are held out
    written_out: ClassVar[bool] = False  # whether the workflow first writes the images out as files
    bundled: ClassVar[bool] = False  # whether the images are installed with the software, and few

    name: Name = Field(description=FOLDER)
    resolution: int = Field(ge=8, le=4096, description=SIDE)
    test_crop: float = Field(
        1.0,
        gt=0,
        le=1,
        description="The centre crop of evaluation images keeps this share of the shorter side. The usual test "
        "transform keeps 0.875, which is 224 of 256 pixels.",
    )
    test_resize: Literal["bilinear", "bicubic"] = Field(
        "bilinear",
        description="Evaluation images are resized by this filter of Pillow's. Bilinear is torchvision's default, "
        "which the papers and published accuracies use; bicubic gives protocols another id.",
    )
    classes: list[str] | None = Field(
        None,
        description="These class ids, in this order, are the labels: give them to fix the order or to take a subset. "
        "By default all classes are taken, in the data set's own order or else sorted.",
    )
    shard_classes: Count = Field(10, description="One job handles this many classes, which are called a shard.")
    max_per_class: Count | None = Field(
        None,
        description="At most this many training images of each class are used, and as many held-out ones, to try "
        "things out; by default all are used.",
    )

    @field_validator("name")
    @classmethod
    def _no_folder_of_ours(cls, name: str) -> str:
        if name in OTHER_FOLDERS:
            raise PydanticCustomError(
                "taken", "this folder of results/ is that of all data sets; choose another name", {}
            )
        return name

    @field_validator("classes")
    @classmethod
    def _distinct_classes(cls, classes: list[str] | None) -> list[str] | None:
        if classes is not None and len(set(classes)) < len(classes):
            repeated = sorted({c for c in classes if classes.count(c) > 1})
            raise PydanticCustomError(
                "repeated", "classes named twice: {names}; name each once", {"names": ", ".join(repeated)}
            )
        if classes is not None and len(classes) < 2:
            raise PydanticCustomError("too_few", "at least two classes are needed to train a student", {})
        return classes

    def layout(self) -> dict:
        """What the stages need to know to find the images."""
        return self.model_dump(include={"kind", *self.layout_keys})

    # ------------------------------------------------------------ what is asked before anything is planned

    def list_classes(self, wanted: list[str] | None) -> list[str]:
        """Class ids in label order: those wanted, or all. Raises RetortError for classes that there are not."""
        raise NotImplementedError

    def places(self, classes: Sequence[str]) -> list[Path]:
        """The files and folders that the images of these classes are read from."""
        raise NotImplementedError

    def bundled_stamp(self) -> str:
        """The state of images that are `bundled`, which changes with the software alone."""
        raise NotImplementedError

    def known_ids(self) -> list[str]:
        """Every class id that a config may name."""
        return self.list_classes(None)

    def published_name(self, classes: Sequence[str]) -> str | None:
        """What papers call all of it; None where other images are held out than theirs."""
        return self.kind

    # ------------------------------------------------------------ what is asked by a stage, with `layout_keys` alone

    def list_images(self, classes: Sequence[str]) -> list[ImageFile]:
        """Every image of the classes, ordered by split, class and name; not asked where images are `written_out`."""
        raise NotImplementedError

    def write_images(self, folder: Path, classes: Sequence[str]) -> None:
        """The images as folder/{train,val}/<class id>/<image>, where they are `written_out`."""
        raise NotImplementedError

    def readable_names(self, classes: Sequence[str]) -> dict[str, str]:
        """Readable names of the classes that the data set itself names; by class id."""
        return {}


class Local(Layout):
    """These keys belong to images of the user's own."""

    layout_keys = ("path",)

    path: LocalPath = Field(
        description="The images are in this folder. Relative paths start where snakemake is started, and ~ and $NAME "
        "are expanded, as in every path of the config."
    )
    class_names: dict[str, str] = Field(
        {},
        description="This table gives class ids a readable name; by default a class has the data set's name for it, or "
        "else its id.",
    )
    on_bad_image: Literal["stop", "skip"] = Field(
        "stop",
        description="This says what happens to unreadable images: stop lists them and ends the run, skip lists them "
        "and leaves them out.",
    )
    check: Literal["decode", "header"] = Field(
        "decode",
        description="Every image is checked once in this way. With decode it is read in full. With header only its "
        "size is read, which is quick, but an image that is corrupt further on stops the first job that reads it.",
    )


class InFolders(Local):
    """These keys belong to images of the user's own that lie in folders."""

    watch: Literal["images", "folders"] = Field(
        "images",
        description="This says how changed images are noticed at every start. With images, the size and time of every "
        "image are compared. With folders, only gained or lost files are noticed, which is quick for a million images.",
    )


@cache
def layouts() -> dict[str, type[Layout]]:
    """Kind -> class of every layout, from the files of this package."""
    modules = [import_module(f"{__name__}.{found.name}") for found in iter_modules(__path__)]
    classes = [kind for module in modules for kind in vars(module).values() if _is_layout(kind, module.__name__)]
    return {get_args(found.model_fields["kind"].annotation)[0]: found for found in classes}


def _is_layout(found: Any, module: str) -> bool:
    return isinstance(found, type) and found.__module__ == module and "kind" in getattr(found, "model_fields", ())


def layout_of(keys: dict[str, Any]) -> Layout:
    """The layout that a stage is told of, by its kind and its `layout_keys`."""
    return layouts()[keys["kind"]].model_construct(**keys)
