"""Tiny-ImageNet as it is published: train/<wnid>/images/, and val/images/ with val/val_annotations.txt."""

from collections.abc import Sequence
from pathlib import Path

from retort.base.errors import RetortError, some_of
from retort.data.class_ids import refuse_odd_ids
from retort.data.imagenet import imagenet_names, subset_classes
from retort.data.layouts.flat import add_label, list_flat
from retort.data.layouts.listing import ImageFile, nearest_of, text_of, words_of
from retort.data.layouts.required import images_in, require_folders


def list_classes(path: Path, wanted: list[str] | None) -> list[str]:
    """The wnids in label order: `wanted`, or all of wnids.txt, sorted; the published 200 where that is not there yet.

    Raises RetortError for a wnids.txt that repeats a class, and for wanted classes that it does not name.
    """
    table = path / "wnids.txt"
    if not table.is_file():
        return wanted or list(subset_classes("tiny-imagenet"))
    known = [words[0] for _, words in words_of(table)]
    refuse_odd_ids(known, str(table))
    if missing := sorted(set(wanted or []) - set(known)):
        raise RetortError(f"dataset.classes: {table} does not name {some_of(missing)}{nearest_of(missing, known)}")
    return wanted or sorted(known)


def class_names(path: Path, classes: Sequence[str]) -> dict[str, str]:
    """The readable name of each wnid, from words.txt or else ImageNet's."""
    names = dict(imagenet_names())
    table = path / "words.txt"
    if table.is_file():
        names |= dict(line.split("\t", 1) for line in text_of(table).splitlines() if "\t" in line)
    return {wnid: names[wnid].strip() for wnid in classes if wnid in names}


def places(path: Path, classes: Sequence[str]) -> list[Path]:
    """The folders that hold the images of these classes, and the tables."""
    held_out = [path / "val" / "images", *(_images_of(path / "val" / wnid) for wnid in classes)]
    tables = [path / "wnids.txt", path / "words.txt", _annotations(path)]
    return [*(_images_of(path / "train" / wnid) for wnid in classes), *held_out, *tables]


def list_images(path: Path, classes: Sequence[str]) -> list[ImageFile]:
    """Every image of the classes, ordered by split, class and name.

    Validation images may also have been sorted into folders by wnid, as many scripts do. Raises RetortError for
    missing folders, classes without images and annotations that do not fit.
    """
    train, val = path / "train", path / "val"
    require_folders(train, classes)
    images = [image for wnid in classes for image in images_in(_images_of(train / wnid), "train", wnid)]
    if (val / "images").is_dir():
        return images + list_flat(val / "images", _read_annotations(path), _annotations(path), "val", classes)
    require_folders(val, classes)
    return images + [image for wnid in classes for image in images_in(_images_of(val / wnid), "val", wnid)]


def _images_of(folder: Path) -> Path:
    return folder / "images" if (folder / "images").is_dir() else folder


def _annotations(path: Path) -> Path:
    return path / "val" / "val_annotations.txt"


def _read_annotations(path: Path) -> dict[str, str]:
    """File name without extension -> wnid: the first two columns; boxes follow."""
    table, labels = _annotations(path), {}
    if not table.is_file():
        raise RetortError(f"there is no {table}, which names the class of each image in {path / 'val' / 'images'}")
    known = set(list_classes(path, None))
    for number, words in words_of(table):
        where = f"{table}, line {number}"
        if len(words) < 2 or words[1] not in known:
            raise RetortError(f"{where}: expected a file and one of the {len(known)} wnids; found {' '.join(words)!r}")
        add_label(labels, words[0], words[1], where)
    return labels
