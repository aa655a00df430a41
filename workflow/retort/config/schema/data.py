"""The data set."""

from typing import Annotated, ClassVar, Literal

from pydantic import Field, field_validator, model_validator
from pydantic_core import PydanticCustomError

from retort.base.grammar import Count, Name, Strict
from retort.config.paths import LocalPath

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


class Dataset(Strict):
    """These keys belong to every data set, wherever its images come from."""

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


class DigitsDataset(Dataset):
    """scikit-learn's handwritten digits are 1,797 real scans, as RGB, of which 400 are held out, split by class."""

    layout_keys = ("resolution",)
    written_out = True
    bundled = True

    kind: Literal["digits"] = Field(description=KIND)
    name: Name = Field("digits", description=FOLDER)
    resolution: int = Field(
        32,
        ge=8,
        le=4096,
        description="Images have this side in pixels; the scans of 8 x 8 pixels are enlarged bicubically.",
    )


class FashionMnistDataset(Dataset):
    """Fashion-MNIST is 500 + 100 images of each class that come with Retort, or from a path 6,000 + 1,000 of each.

    They are grey photographs of clothes, 28 x 28 pixels, as RGB. Class ids are t-shirt, trouser, pullover, dress, coat,
    sandal, shirt, sneaker, bag and ankle-boot.
    """

    layout_keys = ("path",)
    written_out = True

    kind: Literal["fashion-mnist"] = Field(description=KIND)
    name: Name = Field("fashion-mnist", description=FOLDER)
    resolution: int = Field(32, ge=8, le=4096, description=SIDE)
    path: LocalPath | None = Field(
        None,
        description="This folder holds the published IDX files, train-images-idx3-ubyte and so on, packed as .gz or "
        "not. By default the tenth that comes with Retort is taken.",
    )

    @property
    def bundled(self) -> bool:
        return self.path is None


class LocalDataset(Dataset):
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


class InFolders(LocalDataset):
    """These keys belong to images of the user's own that lie in folders."""

    watch: Literal["images", "folders"] = Field(
        "images",
        description="This says how changed images are noticed at every start. With images, the size and time of every "
        "image are compared. With folders, only gained or lost files are noticed, which is quick for a million images.",
    )


class FolderDataset(InFolders):
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


class ImageNetDataset(InFolders):
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
    check: Literal["decode", "header"] = Field("header", description=LocalDataset.model_fields["check"].description)
    watch: Literal["images", "folders"] = Field("folders", description=InFolders.model_fields["watch"].description)

    @model_validator(mode="after")
    def _one_list_of_classes(self):
        if self.subset is not None and self.classes is not None:
            raise PydanticCustomError("exactly_one", "give subset or classes, not both; found both", {})
        return self


class Cifar10Dataset(LocalDataset):
    """CIFAR-10 is read from its python archive; its classes have the archive's order: airplane, automobile, ..."""

    written_out = True

    kind: Literal["cifar10"] = Field(description=KIND)
    name: Name = Field("cifar10", description=FOLDER)
    resolution: int = Field(32, ge=8, le=4096, description=SIDE)
    path: LocalPath = Field(
        description="This is cifar-10-python.tar.gz, the folder cifar-10-batches-py, or a folder that holds one of "
        "them."
    )


class Cifar100Dataset(LocalDataset):
    """CIFAR-100 is read from its python archive, with the 100 fine labels in the archive's order: apple, ..."""

    written_out = True

    kind: Literal["cifar100"] = Field(description=KIND)
    name: Name = Field("cifar100", description=FOLDER)
    resolution: int = Field(32, ge=8, le=4096, description=SIDE)
    path: LocalPath = Field(
        description="This is cifar-100-python.tar.gz, the folder cifar-100-python, or a folder that holds one of them."
    )


class TinyImageNetDataset(InFolders):
    """Tiny-ImageNet is read as published, as tiny-imagenet-200, with its 200 wnids sorted."""

    kind: Literal["tiny-imagenet"] = Field(description=KIND)
    name: Name = Field("tiny-imagenet", description=FOLDER)
    resolution: int = Field(64, ge=8, le=4096, description=SIDE)
    path: LocalPath = Field(description="This is the folder tiny-imagenet-200, with wnids.txt, train/ and val/.")


class Places365Dataset(InFolders):
    """Places365-Standard lies in train/<class>/ and val/<class>/, or in the development kit's folders with its lists.

    Class ids are like airfield and apartment_building-outdoor, in the order of categories_places365.txt.
    """

    kind: Literal["places365"] = Field(description=KIND)
    path: LocalPath = Field(
        description="This folder holds train/ (or data_256/, data_large/) and val/ (or val_256/, val_large/), and for "
        "flat validation images also categories_places365.txt and places365_val.txt."
    )
    check: Literal["decode", "header"] = Field("header", description=LocalDataset.model_fields["check"].description)
    watch: Literal["images", "folders"] = Field("folders", description=InFolders.model_fields["watch"].description)


class HuggingFaceDataset(InFolders):
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


AnyDataset = Annotated[
    DigitsDataset
    | FashionMnistDataset
    | FolderDataset
    | ImageNetDataset
    | Cifar10Dataset
    | Cifar100Dataset
    | TinyImageNetDataset
    | Places365Dataset
    | HuggingFaceDataset,
    Field(discriminator="kind"),
]
