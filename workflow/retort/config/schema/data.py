"""The data set."""

from typing import Annotated, ClassVar, Literal

from pydantic import Field, field_validator, model_validator
from pydantic_core import PydanticCustomError

from retort.config.paths import LocalPath
from retort.config.schema.grammar import Count, Name, Strict

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


class Dataset(Strict):
    """What every data set has, wherever its images come from."""

    layout_keys: ClassVar[tuple[str, ...]]  # of this kind: what says where the images lie and which are held out
    written_out: ClassVar[bool] = False  # whether the workflow first writes the images out as files

    name: Name = Field(description="Folder under results/ that holds everything made from this data set.")
    resolution: int = Field(ge=8, le=4096, description="Side in pixels of distilled and evaluation images.")
    test_crop: float = Field(
        1.0,
        gt=0,
        le=1,
        description="Share of the shorter side that evaluation images keep in their centre crop; the field's test "
        "transform keeps 0.875, 224 of 256 pixels.",
    )
    test_resize: Literal["bilinear", "bicubic"] = Field(
        "bilinear",
        description="Pillow's filter by which evaluation images are resized: bilinear is torchvision's default, that "
        "of the papers and of published accuracies; bicubic gives protocols another id.",
    )
    classes: list[str] | None = Field(
        None,
        description="Class ids in label order, to fix the order or take a subset; default: all, sorted, "
        "or in the order that the data set itself gives.",
    )
    shard_classes: Count = Field(10, description="Classes per shard: one job handles this many classes at a time.")
    max_per_class: Count | None = Field(
        None, description="To try things out: at most this many images of each class, and as many held-out ones."
    )

    @field_validator("classes")
    @classmethod
    def _distinct_classes(cls, classes: list[str] | None) -> list[str] | None:
        if classes is not None and len(set(classes)) < len(classes):
            repeated = sorted({c for c in classes if classes.count(c) > 1})
            raise PydanticCustomError("repeated", "classes named twice: {names}", {"names": ", ".join(repeated)})
        if classes is not None and len(classes) < 2:
            raise PydanticCustomError("too_few", "at least two classes are needed to train a student", {})
        return classes

    def layout(self) -> dict:
        """What the stages need to know to find the images."""
        return self.model_dump(include={"kind", *self.layout_keys})


class DigitsDataset(Dataset):
    """scikit-learn's handwritten digits: 1,797 real scans, split 1,397 / 400 by class, as RGB."""

    layout_keys = ("resolution",)
    written_out = True

    kind: Literal["digits"]
    name: Name = "digits"
    resolution: int = Field(32, ge=8, le=4096, description="Side in pixels; the 8x8 scans are enlarged (bicubic).")


class LocalDataset(Dataset):
    """What the user's own images have."""

    layout_keys = ("path",)

    path: LocalPath = Field(
        description="The folder; relative paths start where snakemake is started, and ~ and $NAME are expanded, as in "
        "every path of the config."
    )
    class_names: dict[str, str] = Field(
        {}, description="Readable name per class id; default: the data set's own, or else the id itself."
    )
    on_bad_image: Literal["stop", "skip"] = Field(
        "stop", description="stop: list unreadable images and stop; skip: leave them out and list them."
    )
    check: Literal["decode", "header"] = Field(
        "decode",
        description="How every image is looked at once: decode reads it in full; header only its size, which is quick "
        "but leaves an image damaged further on to stop the first job that reads it, by its name.",
    )


class InFolders(LocalDataset):
    """What the user's own images have where they lie in folders."""

    watch: Literal["images", "folders"] = Field(
        "images",
        description="What is asked at every start to tell whether images have changed: images: the size and time of "
        "every one; folders: only whether a folder has gained or lost any, which is quick with a million.",
    )


class FolderDataset(InFolders):
    """One folder per class, either under train/ and val/, or directly under path with a seeded split."""

    layout_keys = ("path", "val_fraction")

    kind: Literal["folder"]
    val_fraction: float = Field(
        0.2,
        gt=0,
        lt=1,
        description="This share of each class is held out, rounded to whole images, when there are no train/ and val/.",
    )


class ImageNetDataset(InFolders):
    """ImageNet-1K or a part of it: train/<wnid>/, and val/<wnid>/ or the flat validation folder.

    fastai's imagenette2 and imagewoof2 folders have the same layout, but hold out other images than ImageNet's
    validation set: results on them and on ImageNet's own split do not compare.
    """

    layout_keys = ("path", "val", "ground_truth")

    kind: Literal["imagenet"]
    path: LocalPath = Field(
        description="The folder that holds train/ with a folder per wnid, such as ILSVRC/Data/CLS-LOC of Kaggle's "
        "archive, or fastai's imagenette2 (with subset: imagenette; its val/ is not ImageNet's)."
    )
    val: LocalPath | None = Field(None, description="Where the validation images are; default: val/ under path.")
    ground_truth: LocalPath | None = Field(
        None,
        description="For validation images in one flat folder, the file with their classes: "
        "ILSVRC2012_validation_ground_truth.txt (with the devkit's meta.mat beside it), Kaggle's LOC_val_solution.csv, "
        "or a text file of two columns: file and wnid, or file and position in the sorted wnids.",
    )
    subset: ImageNetSubset | None = Field(
        None,
        description="A published part of the 1,000 classes, in its order; default: imagenet1k, unless classes "
        "names others.",
    )
    check: Literal["decode", "header"] = Field("header", description=LocalDataset.model_fields["check"].description)
    watch: Literal["images", "folders"] = Field("folders", description=InFolders.model_fields["watch"].description)

    @model_validator(mode="after")
    def _one_list_of_classes(self):
        if self.subset is not None and self.classes is not None:
            raise PydanticCustomError("exactly_one", "give subset or classes, not both", {})
        return self


class Cifar10Dataset(LocalDataset):
    """CIFAR-10 from its python archive; classes in the archive's order: airplane, automobile, bird, ..."""

    written_out = True

    kind: Literal["cifar10"]
    name: Name = "cifar10"
    resolution: int = Field(32, ge=8, le=4096, description="Side in pixels of distilled and evaluation images.")
    path: LocalPath = Field(
        description="cifar-10-python.tar.gz, the folder cifar-10-batches-py, or what holds one of them."
    )


class Cifar100Dataset(LocalDataset):
    """CIFAR-100 from its python archive, with the 100 fine labels in the archive's order: apple, aquarium_fish, ..."""

    written_out = True

    kind: Literal["cifar100"]
    name: Name = "cifar100"
    resolution: int = Field(32, ge=8, le=4096, description="Side in pixels of distilled and evaluation images.")
    path: LocalPath = Field(
        description="cifar-100-python.tar.gz, the folder cifar-100-python, or what holds one of them."
    )


class TinyImageNetDataset(InFolders):
    """Tiny-ImageNet as published, tiny-imagenet-200; its 200 wnids sorted."""

    kind: Literal["tiny-imagenet"]
    name: Name = "tiny-imagenet"
    resolution: int = Field(64, ge=8, le=4096, description="Side in pixels of distilled and evaluation images.")
    path: LocalPath = Field(description="The folder tiny-imagenet-200, with wnids.txt, train/ and val/.")


class Places365Dataset(InFolders):
    """Places365-Standard: train/<class>/ and val/<class>/, or the development kit's data_256/, val_256/ and lists.

    Class ids are like airfield and apartment_building-outdoor, in the order of categories_places365.txt.
    """

    kind: Literal["places365"]
    path: LocalPath = Field(
        description="The folder that holds train/ (or data_256/, data_large/) and val/ (or val_256/, val_large/); for "
        "flat validation images also categories_places365.txt and places365_val.txt."
    )
    check: Literal["decode", "header"] = Field("header", description=LocalDataset.model_fields["check"].description)
    watch: Literal["images", "folders"] = Field("folders", description=InFolders.model_fields["watch"].description)


class HuggingFaceDataset(InFolders):
    """A local copy of a data set from the Hugging Face hub: Parquet shards, or an image folder.

    Shards hold their own images and class names; they are written out once, byte for byte.
    """

    layout_keys = ("path", "format", "label_column", "label_ids", "image_column", "val_split", "val_fraction")

    kind: Literal["huggingface"]
    path: LocalPath = Field(
        description="The folder that holds the shards or the splits, or whose data/ does; of shards also what holds "
        "the one folder of a configuration, such as plain_text/."
    )
    format: Literal["parquet", "imagefolder"] = Field(
        "parquet", description="parquet: train-00000-of-00001.parquet and so on; imagefolder: train/<class>/ and so on."
    )
    label_column: str | None = Field(
        None,
        description="parquet: the column of class labels; needed where there are several (fine_label), and where the "
        "labels are text or whole numbers that the shards do not describe as classes.",
    )
    image_column: str | None = Field(
        None, description="parquet: the column of images; needed where there are several, such as images and masks."
    )
    val_split: str | None = Field(
        None,
        pattern=r"^[A-Za-z0-9_.-]+$",
        description="The split whose images are held out, by its name; none holds out val_fraction of the train split, "
        "as is right where the labels of the others are withheld. By default it is validation, or else test.",
    )
    label_ids: ImageNetSubset | None = Field(
        None,
        description="parquet: take the wnids of this part of ImageNet as class ids, label by label (imagenet1k for "
        "copies of ILSVRC/imagenet-1k); default: the labels' names.",
    )
    val_fraction: float = Field(
        0.2,
        gt=0,
        lt=1,
        description="This share of each class is held out, rounded to whole images, when there is only a train split.",
    )

    @property
    def written_out(self) -> bool:
        return self.format == "parquet"


AnyDataset = Annotated[
    DigitsDataset
    | FolderDataset
    | ImageNetDataset
    | Cifar10Dataset
    | Cifar100Dataset
    | TinyImageNetDataset
    | Places365Dataset
    | HuggingFaceDataset,
    Field(discriminator="kind"),
]
