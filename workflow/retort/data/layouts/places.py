"""Places365: train/<class>/ and val/<class>/, or the development kit's nested folders and flat validation images."""

from collections.abc import Sequence
from pathlib import Path

from retort.base.errors import RetortError, some_of
from retort.data.class_ids import refuse_odd_ids, spelt_as
from retort.data.layouts.flat import add_label, list_flat
from retort.data.layouts.instead import train_nearby
from retort.data.layouts.listing import ImageFile, class_folder, folder_names, nearest_of, words_of
from retort.data.layouts.required import images_in, require_folders

CATEGORIES, TRUTH = "categories_places365.txt", "places365_val.txt"
# As the archives unpack: small images (256 pixels) before large ones.
TRAIN_FOLDERS = ("train", "data_256", "train_256", "data_large", "train_large")
VAL_FOLDERS = ("val", "val_256", "val_large")


def list_classes(path: Path, wanted: list[str] | None) -> list[str]:
    """Class ids in label order: `wanted`, or those of the category file in its order, or the folder names, sorted.

    Raises RetortError when neither is there and no class is named, and for wanted classes that are not there.
    """
    train = _first_of(path, TRAIN_FOLDERS)
    if categories := _read_categories(path):
        known = list(categories)
    elif train.is_dir():
        known = folder_names(train)
    elif wanted:
        return wanted
    else:
        raise RetortError(
            f"dataset.path: there is neither {path / CATEGORIES} nor {train}; "
            "name the folder that holds them, or the classes in dataset.classes"
        )
    wanted = wanted and spelt_as(wanted, known)
    if missing := sorted(set(wanted or []) - set(known)):
        close = nearest_of(missing, known)
        raise RetortError(f"dataset.classes: {path} has no class {some_of(missing)}{close}; it has {some_of(known)}")
    return wanted or known


def places(path: Path, classes: Sequence[str]) -> list[Path]:
    """The folders that hold the images of these classes, and the tables."""
    train, val, categories = _first_of(path, TRAIN_FOLDERS), _first_of(path, VAL_FOLDERS), _read_categories(path)
    folders = [_class_folder(root, class_id, categories) for root in (train, val) for class_id in classes]
    return [*folders, val, path / CATEGORIES, path / TRUTH]


def list_images(path: Path, classes: Sequence[str]) -> list[ImageFile]:
    """Every image of the classes, ordered by split, class and name.

    Raises RetortError for missing folders, classes without images, and a validation list that does not fit.
    """
    train, val, categories = _first_of(path, TRAIN_FOLDERS), _first_of(path, VAL_FOLDERS), _read_categories(path)
    if not train.is_dir():
        near = train_nearby(path)
        raise RetortError(
            f"dataset.path: {path} has none of {', '.join(TRAIN_FOLDERS)}, one of which holds the images{near}"
        )
    folders = {class_id: _class_folder(train, class_id, categories) for class_id in classes}
    if missing := [class_id for class_id, folder in folders.items() if not folder.is_dir()]:
        raise RetortError(f"{train} has no folder for {some_of(missing)}")
    images = [image for class_id in classes for image in images_in(folders[class_id], "train", class_id)]
    if (path / TRUTH).is_file() and categories and not _has_folders(val):
        return images + list_flat(val, _read_truth(path / TRUTH, list(categories)), path / TRUTH, "val", classes)
    if val.is_dir() and not _has_folders(val):
        raise RetortError(f"{val} holds images, not one folder per class; put {CATEGORIES} and {TRUTH} into {path}")
    if not categories:
        require_folders(val, classes)
    return images + [
        image for class_id in classes for image in images_in(_class_folder(val, class_id, categories), "val", class_id)
    ]


def _first_of(path: Path, names: Sequence[str]) -> Path:
    return next((path / name for name in names if (path / name).is_dir()), path / names[0])


def _has_folders(path: Path) -> bool:
    return path.is_dir() and bool(folder_names(path))


def _class_folder(root: Path, class_id: str, categories: dict[str, str]) -> Path:
    """Where a class lies: under its id, or as the development kit nests it."""
    folder = class_folder(root, class_id)
    return folder if class_id not in categories or folder.is_dir() else root / categories[class_id]


def _read_categories(path: Path) -> dict[str, str]:
    """Class id -> nested folder, in label order, from lines like "/a/apartment_building/outdoor 8"; {} without a file.

    The id is the part after the letter, "apartment_building-outdoor". Raises RetortError for lines of another form,
    indices that are not 0, 1, 2, ... and names that would lead out of the data set's folder.
    """
    table = path / CATEGORIES
    if not table.is_file():
        return {}
    found = {}
    for number, words in words_of(table):
        parts = words[0].strip("/").split("/")
        if len(words) != 2 or not words[1].isdecimal() or len(parts) < 2 or set(parts) & {"", ".", ".."}:
            raise RetortError(f'{table}, line {number}: expected "/letter/class index"; found {" ".join(words)!r}')
        found[int(words[1])] = parts
    if sorted(found) != list(range(sum(1 for _ in words_of(table)))):
        raise RetortError(f"{table}: expected each index from 0 on once")
    ids = ["-".join(parts[1:]) for _, parts in sorted(found.items())]
    refuse_odd_ids(ids, str(table))
    return {class_id: "/".join(parts) for class_id, (_, parts) in zip(ids, sorted(found.items()), strict=True)}


def _read_truth(table: Path, classes: list[str]) -> dict[str, str]:
    """File name without extension -> class id, from lines of a file and a label index."""
    labels: dict[str, str] = {}
    for number, words in words_of(table):
        where = f"{table}, line {number}"
        if len(words) != 2 or not words[1].isdecimal() or int(words[1]) >= len(classes):
            raise RetortError(
                f"{where}: expected a file and a label index from 0 to {len(classes) - 1}; found {' '.join(words)!r}"
            )
        add_label(labels, words[0], classes[int(words[1])], where)
    return labels
