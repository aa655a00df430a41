"""ImageNet-1K and its subsets: train/<wnid>/, and val/<wnid>/ or the flat validation folder with its ground truth."""

import csv
import re
from collections.abc import Iterator, Sequence
from pathlib import Path

from retort.base.errors import RetortError, some_of
from retort.data.imagenet import FULL, imagenet_classes, imagenet_names, subset_classes
from retort.data.layouts.flat import add_label, list_flat
from retort.data.layouts.listing import ImageFile, image_names, nearest_of, text_of, words_of
from retort.data.layouts.required import images_in, require_folders

VALIDATION_STEM = "ILSVRC2012_val_{:08d}"  # the images of the flat folder, counted from 1
_WNID = re.compile(r"n\d{8}")


def list_classes(path: Path, subset: str | None, wanted: list[str] | None) -> list[str]:
    """The wnids in label order: `wanted`, or the subset's, or all 1,000. The data need not be there yet.

    Raises RetortError for what is no class of ImageNet-1K, and when train/ is there but lacks a class.
    """
    classes = wanted or list(subset_classes(subset or FULL))
    if strange := sorted(set(classes) - set(imagenet_classes())):
        raise RetortError(
            f"dataset.classes: {some_of(strange)} is not among ImageNet-1K's 1,000 wnids"
            f"{nearest_of(strange, imagenet_classes())}; "
            "for other classes use dataset.kind: folder"
        )
    if (path / "train").is_dir():
        require_folders(path / "train", classes)
    return classes


def class_names(classes: Sequence[str]) -> dict[str, str]:
    """The readable name of each wnid."""
    return {wnid: imagenet_names()[wnid] for wnid in classes}


def places(path: Path, classes: Sequence[str], val: str | None, ground_truth: str | None) -> list[Path]:
    """The folders that hold the images of these classes, and the ground truth."""
    held_out = _val_folder(path, val)
    train = [path / "train" / wnid for wnid in classes]
    if ground_truth is None:
        return [*train, *(held_out / wnid for wnid in classes)]
    return [*train, held_out, Path(ground_truth), _meta_of(Path(ground_truth))]


def holds_out_others(path: Path, classes: Sequence[str], val: str | None, ground_truth: str | None) -> bool:
    """Whether the validation images are not ImageNet's own, as in fastai's folders, which hold training images out."""
    names = [] if ground_truth else image_names(_val_folder(path, val) / classes[0])
    return not all(name.startswith("ILSVRC2012_val_") for name in names)


def list_images(path: Path, classes: Sequence[str], val: str | None, ground_truth: str | None) -> list[ImageFile]:
    """Every image of the classes, ordered by split, class and name, in whichever form the validation images are.

    Raises RetortError for missing folders, classes without images, and a ground truth that does not fit.
    """
    train, held_out = path / "train", _val_folder(path, val)
    require_folders(train, classes)
    images = [image for wnid in classes for image in images_in(train / wnid, "train", wnid)]
    if ground_truth is not None:
        names = image_names(held_out)
        labels = read_ground_truth(Path(ground_truth), len(names))
        return images + list_flat(held_out, labels, Path(ground_truth), "val", classes)
    if image_names(held_out):
        raise RetortError(
            f"{held_out} holds images, not one folder per class; name the file with their classes in "
            "dataset.ground_truth (ILSVRC2012_validation_ground_truth.txt, LOC_val_solution.csv or a text file "
            "with two columns), or sort the images into folders by wnid"
        )
    require_folders(held_out, classes)
    return images + [image for wnid in classes for image in images_in(held_out / wnid, "val", wnid)]


def _val_folder(path: Path, val: str | None) -> Path:
    return path / "val" if val is None else Path(val)


# ---------------------------------------------------------------- ground truth


def read_ground_truth(path: Path, images: int) -> dict[str, str]:
    """File name without extension -> wnid, from any of the files that people have.

    LOC_val_solution.csv (Kaggle); two columns: file and wnid, or file and label index (position in the sorted wnids,
    from 0, as in caffe's val.txt); one column, a line for each image in the order of their numbers: wnids, or the
    devkit's ids, which are neither positions nor sorted, and are looked up in meta.mat beside the file.
    images: how many there are, which a file without names must match.
    Raises RetortError for a file that is missing, of none of these forms, or with labels outside ImageNet-1K.
    """
    if not path.is_file():
        raise RetortError(f"dataset.ground_truth: there is no file {path}")
    labels: dict[str, str] = {}
    if path.suffix.lower() == ".csv":
        for where, name, label in _kaggle_rows(path):
            add_label(labels, name, _known(label, where), where)
        return labels
    rows = list(words_of(path))
    widths = {len(words) for _, words in rows}
    if widths == {2}:
        for number, (name, label) in rows:
            where = f"{path}, line {number}"
            add_label(labels, name, _known(label, where) if _WNID.fullmatch(label) else _at(label, where), where)
        return labels
    if widths != {1}:
        raise RetortError(
            f"{path}: expected one column (a label for each image in order) or two (file, label) in every line; "
            f"found lines of {' and '.join(map(str, sorted(widths))) or 'no'} words"
        )
    if len(rows) != images:
        raise RetortError(f"{path} has {len(rows)} labels, but there are {images} images; it must have one for each")
    devkit = {} if all(_WNID.fullmatch(words[0]) for _, words in rows) else _devkit_ids(path)
    for count, (number, [label]) in enumerate(rows, start=1):
        labels[VALIDATION_STEM.format(count)] = _known(devkit.get(label, label), f"{path}, line {number}")
    return labels


def _kaggle_rows(path: Path) -> Iterator[tuple[str, str, str]]:
    """(place, file, wnid) of each line; a line lists one box after another, all of one class."""
    reader = csv.DictReader(text_of(path).splitlines())
    if not {"ImageId", "PredictionString"} <= set(reader.fieldnames or []):
        raise RetortError(
            f"{path}: expected the columns ImageId and PredictionString of LOC_val_solution.csv; "
            f"found {', '.join(reader.fieldnames or ['nothing'])}"
        )
    for row in reader:
        boxes = (row["PredictionString"] or "").split()
        yield f"{path}, line {reader.line_num}", row["ImageId"], boxes[0] if boxes else ""


def _known(wnid: str, where: str) -> str:
    if wnid not in imagenet_names():
        raise RetortError(f"{where}: {wnid!r} is not a class of ImageNet-1K")
    return wnid


def _at(index: str, where: str) -> str:
    """The class at a position in the sorted wnids."""
    classes = imagenet_classes()
    if not (index.isascii() and index.isdecimal() and int(index) < len(classes)):
        raise RetortError(f"{where}: expected a wnid or a label index from 0 to {len(classes) - 1}; found {index!r}")
    return classes[int(index)]


def _meta_of(truth: Path) -> Path:
    return truth.with_name("meta.mat")


def _devkit_ids(truth: Path) -> dict[str, str]:
    """The devkit's number of each class -> wnid."""
    meta = _meta_of(truth)
    if not meta.is_file():
        raise RetortError(
            f"{truth} numbers the classes as the devkit does, in an order of its own; "
            f"put meta.mat from the devkit's data folder beside it, as {meta}"
        )
    from scipy.io import loadmat

    try:
        synsets = loadmat(meta, squeeze_me=True)["synsets"]
        return {str(int(row["ILSVRC2012_ID"])): str(row["WNID"]) for row in synsets}
    except Exception as error:  # what a reader of a binary format raises over another file can be anything
        raise RetortError(f"{meta} is not the devkit's meta.mat: {error}") from None
