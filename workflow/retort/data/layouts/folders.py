"""One folder per class: under train/ and val/ (or what else the splits are called), or without splits."""

from collections.abc import Sequence
from pathlib import Path

from retort.base.errors import RetortError, some_of
from retort.base.seeds import derive_seed
from retort.base.words import counted
from retort.data.class_ids import letters_of, spelt_as
from retort.data.layouts.instead import (
    instead_of_images,
    near_folder,
    split_beside,
    splits_by_another_name,
    wrong_level,
)
from retort.data.layouts.listing import ImageFile, class_folder, folder_names, image_names, nearest_of
from retort.data.layouts.required import images_in

Splits = tuple[Path, Path | None]  # the folder of training images, and of the held-out ones if they have their own


def find_splits(path: Path) -> Splits:
    """train/ and val/ under `path`; `path` itself when there is no train/, or it is a class."""
    train = path / "train"
    return (train, path / "val") if holds_classes(train) else (path, None)


def holds_classes(folder: Path) -> bool:
    """Whether a folder called like a split is one, and not a class of that name, which has images and no folders."""
    return folder.is_dir() and (bool(folder_names(folder)) or not image_names(folder))


def list_folder_classes(path: Path, wanted: list[str] | None, splits: Splits | None = None) -> list[str]:
    """Class ids of an image folder in label order: `wanted` if given, else the folder names, sorted.

    Raises RetortError when the folder has no class folders, or lacks a wanted class, or is missing while no class
    is named.
    """
    root, _ = splits or find_splits(path)
    if not root.is_dir():
        if wanted:
            return wanted
        raise RetortError(
            f"dataset.path: there is no folder {path}{near_folder(path)}; "
            "give the folder that holds one folder per class"
        )
    found = folder_names(root)
    wanted = wanted and spelt_as(wanted, found)
    if missing := [c for c in wanted or [] if c not in found]:
        raise RetortError(
            f"dataset.classes: {root} has no folder {', '.join(missing)}{nearest_of(missing, found)}; "
            f"it has {some_of(found)}{wrong_level(root, found)}"
        )
    if not wanted and (like_splits := splits_by_another_name(root, found)):
        raise RetortError(f"dataset.path: {root} has {some_of(found)}; {like_splits}")
    classes = wanted or found
    if len(classes) < 2:
        raise RetortError(
            f"dataset.path: {root} has {counted(len(found), 'class folder')} ({some_of(found, 4)}); "
            f"at least two are needed, one folder of images per class{wrong_level(root, found)}"
        )
    return classes


def places(path: Path, classes: Sequence[str], splits: Splits | None = None) -> list[Path]:
    """The folders that hold the images of these classes."""
    roots = [root for root in splits or find_splits(path) if root]
    return [class_folder(root, class_id) for root in roots for class_id in classes]


def list_images(
    path: Path, classes: Sequence[str], val_fraction: float, splits: Splits | None = None
) -> list[ImageFile]:
    """Every image file, ordered by split, class and name.

    With train/ and val/ under `path` these are the splits. Otherwise `val_fraction` of each class is held out, rounded
    to whole images: those whose names, with the class's, draw the lowest numbers. Neither the seed nor the name of the
    data set has a part in it, so accuracies measured on one folder compare, whatever it is called; adding an image
    moves one other at most. Both splits get at least one image of each class.
    Raises RetortError for a missing folder, classes without images, and train/ without val/ or with other classes.
    """
    if not path.is_dir():
        raise RetortError(
            f"dataset.path: there is no folder {path}{near_folder(path)}; give the folder that holds the images"
        )
    train, val = splits or find_splits(path)
    if val is None:
        if unused := split_beside(train):
            print(f"warning: {unused} beside {train} is not read; for these splits give dataset.path: {train.parent}")
        return _held_out(train, classes, val_fraction)
    if not val.is_dir():
        other = splits_by_another_name(path, folder_names(path))
        raise RetortError(
            f"{path} has train/ but no val/; {other or f'add val/, or put the class folders directly under {path}'}"
        )
    found, wanted = set(map(letters_of, folder_names(train))), set(map(letters_of, classes))
    odd = found ^ set(map(letters_of, folder_names(val)))
    # Where all classes are wanted, one that only val/ has is forgotten in train/.
    if extra := sorted(odd if found <= wanted else odd & wanted):
        raise RetortError(
            f"{train.name}/ and {val.name}/ under {path} disagree about classes: only one of them has {some_of(extra)}"
        )
    return [
        image
        for split, root in (("train", train), ("val", val))
        for class_id in classes
        for image in images_in(class_folder(root, class_id), split, class_id)
    ]


def _held_out(root: Path, classes: Sequence[str], val_fraction: float) -> list[ImageFile]:
    """The images of folders without splits, the training ones first."""
    rows = []
    for class_id in classes:
        names = image_names(class_folder(root, class_id))
        if len(names) < 2:
            raise RetortError(
                f"{root / class_id} has {counted(len(names), 'image')}"
                f"{instead_of_images(class_folder(root, class_id))}; "
                "at least two are needed to hold one out"
            )
        count = min(max(round(val_fraction * len(names)), 1), len(names) - 1)
        held_out = set(sorted(names, key=lambda name: derive_seed("split", class_id, name))[:count])
        rows += [
            image._replace(split="val") if Path(image.path).name in held_out else image
            for image in images_in(class_folder(root, class_id), "train", class_id)
        ]
    return sorted(rows, key=lambda image: image.split)  # stable: "train" before "val", classes and names kept
