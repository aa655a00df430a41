"""Which classes a data set has, and in what order; asked before anything is planned, so kept light."""

import errno
import os
from pathlib import Path

from retort.base.errors import RetortError
from retort.data.class_ids import refuse_odd_ids, spelt_as
from retort.data.imagenet import FULL, imagenet_classes
from retort.data.layouts import cifar, fashion_mnist, folders, huggingface, ilsvrc, places, tiny_imagenet
from retort.data.layouts.huggingface import asked_of
from retort.data.stamps import stamp_of

DIGITS = [str(digit) for digit in range(10)]
# The stamps of images that are installed with the software, which change with its version alone.
BUNDLED = {"digits": "with scikit-learn", fashion_mnist.KIND: fashion_mnist.BUNDLED}


def digit_classes(wanted: list[str] | None) -> list[str]:
    """The digits in label order: `wanted` if given, else 0 to 9. Raises RetortError for what is no digit."""
    if strange := [c for c in wanted or [] if c not in DIGITS]:
        raise RetortError(f"dataset.classes: the digits have no class {', '.join(strange)}; they are '0' to '9'")
    return wanted or DIGITS


def class_list(dataset) -> list[str]:
    """Class ids in label order for the `dataset` part of the config.

    Where the config or the kind of data set says which classes there are, the data need not be there yet. Raises
    RetortError for classes that are not, for data that are needed to know, and for ids that cannot name a folder.
    """
    if dataset.classes:
        refuse_odd_ids(dataset.classes, "dataset.classes")
    classes = _classes(dataset)
    refuse_odd_ids(classes, "dataset.path")
    return classes


def _classes(dataset) -> list[str]:
    kind, wanted = dataset.kind, dataset.classes
    if kind == "digits":
        return digit_classes(wanted)
    if kind == fashion_mnist.KIND:
        return fashion_mnist.list_classes(wanted)
    if kind in cifar.ARCHIVES:
        return cifar.list_classes(kind, wanted)
    path = Path(dataset.path)
    if kind == "imagenet":
        return ilsvrc.list_classes(path, dataset.subset, wanted)
    if kind == "tiny-imagenet":
        return tiny_imagenet.list_classes(path, wanted)
    if kind == "places365":
        return places.list_classes(path, wanted)
    if kind == "huggingface" and dataset.format == "parquet":
        return huggingface.parquet_classes(asked_of(dataset.layout()), wanted)
    splits = huggingface.folder_splits(path, dataset.val_split) if kind == "huggingface" else None
    return folders.list_folder_classes(path, wanted, splits)


def known_ids(dataset) -> list[str] | None:
    """Every class id that a config of this data set may name, whichever of them it takes; None where only data say it
    that are not there yet."""
    wnids = list(imagenet_classes())
    if dataset.kind == "imagenet" or getattr(dataset, "label_ids", None):
        return wnids
    try:
        every = _classes(dataset.model_copy(update={"classes": None}))
        return [*every, *wnids] if dataset.kind == "tiny-imagenet" else every
    except (RetortError, FileNotFoundError, NotADirectoryError):
        return None


def given_names(dataset, classes: list[str]) -> dict[str, str]:
    """Readable names that the config gives, by class id as the data spell it."""
    names = getattr(dataset, "class_names", {})
    return dict(zip(spelt_as(names, classes), names.values(), strict=True))


def published_name(dataset, classes: list[str]) -> str | None:
    """What papers call the whole data set; None for a part of one, and where other images are held out than theirs."""
    if dataset.classes or dataset.max_per_class or (dataset.kind == fashion_mnist.KIND and dataset.bundled):
        return None
    if dataset.kind != "imagenet":
        return dataset.kind
    if ilsvrc.holds_out_others(Path(dataset.path), classes, dataset.val, dataset.ground_truth):
        return None
    return dataset.subset or FULL


def contents_stamp(dataset, classes: list[str]) -> str | None:
    """Changes with the user's images (see `watch` in the config); None where they are not there."""
    if dataset.bundled:
        return BUNDLED[dataset.kind]
    return stamp_of(_places(dataset, classes), within=getattr(dataset, "watch", "folders") == "images")


def look_into(dataset, classes: list[str]) -> None:
    """Raises PermissionError, naming the place, where images of these classes lie that may not be read.

    Later, each place is looked into by functions whose errors Snakemake shows with a traceback.
    """
    if dataset.bundled:
        return
    for place in _places(dataset, classes):
        if place.exists() and not os.access(place, os.R_OK | (os.X_OK if place.is_dir() else 0)):
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(place))


def _places(dataset, classes: list[str]) -> list[Path]:
    """The files and folders that the images of these classes are read from."""
    kind, path = dataset.kind, Path(dataset.path)
    if kind == fashion_mnist.KIND:
        return fashion_mnist.places(path)
    if kind in cifar.ARCHIVES:
        return cifar.places(kind, path)
    if kind == "imagenet":
        return ilsvrc.places(path, classes, dataset.val, dataset.ground_truth)
    if kind == "tiny-imagenet":
        return tiny_imagenet.places(path, classes)
    if kind == "places365":
        return places.places(path, classes)
    if kind == "huggingface" and dataset.format == "parquet":
        return huggingface.parquet_places(asked_of(dataset.layout()))
    splits = huggingface.folder_splits(path, dataset.val_split) if kind == "huggingface" else None
    return folders.places(path, classes, splits)
