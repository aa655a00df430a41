"""Which classes a data set has, and in what order; asked before anything is planned, so kept light."""

import errno
import os

from retort.base.errors import RetortError
from retort.data.class_ids import refuse_odd_ids, spelt_as
from retort.data.stamps import stamp_of
from retort.parts.layouts import Layout


def class_list(dataset: Layout) -> list[str]:
    """Class ids in label order for the `dataset` part of the config.

    Where the config or the kind of data set says which classes there are, the data need not be there yet. Raises
    RetortError for classes that are not, for data that are needed to know, and for ids that cannot name a folder.
    """
    if dataset.classes:
        refuse_odd_ids(dataset.classes, "dataset.classes")
    classes = dataset.list_classes(dataset.classes)
    refuse_odd_ids(classes, "dataset.path")
    return classes


def known_ids(dataset: Layout) -> list[str] | None:
    """Every class id that a config of this data set may name, whichever of them it takes; None where only data say it
    that are not there yet."""
    try:
        return dataset.known_ids()
    except (RetortError, FileNotFoundError, NotADirectoryError):
        return None


def given_names(dataset: Layout, classes: list[str]) -> dict[str, str]:
    """Readable names that the config gives, by class id as the data spell it."""
    names = getattr(dataset, "class_names", {})
    return dict(zip(spelt_as(names, classes), names.values(), strict=True))


def published_name(dataset: Layout, classes: list[str]) -> str | None:
    """What papers call the whole data set; None for a part of one, and where other images are held out than theirs."""
    return None if dataset.classes or dataset.max_per_class else dataset.published_name(classes)


def contents_stamp(dataset: Layout, classes: list[str]) -> str | None:
    """Changes with the user's images (see `watch` in the config); None where they are not there."""
    if dataset.bundled:
        return dataset.bundled_stamp()
    return stamp_of(dataset.places(classes), within=getattr(dataset, "watch", "folders") == "images")


def look_into(dataset: Layout, classes: list[str]) -> None:
    """Raises PermissionError, naming the place, where images of these classes lie that may not be read.

    Later, each place is looked into by functions whose errors Snakemake shows with a traceback.
    """
    for place in () if dataset.bundled else dataset.places(classes):
        if place.exists() and not os.access(place, os.R_OK | (os.X_OK if place.is_dir() else 0)):
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(place))
