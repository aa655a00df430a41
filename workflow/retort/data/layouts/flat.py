"""A split in one folder, its classes in a text file beside it."""

import os
from collections.abc import Sequence
from pathlib import Path, PurePath

from retort.base.errors import RetortError, some_of
from retort.data.class_ids import letters_of
from retort.data.layouts.listing import ImageFile, image_names


def list_flat(folder: Path, labels: dict[str, str], truth: Path, split: str, classes: Sequence[str]) -> list[ImageFile]:
    """The images of `classes` in a folder of all classes, ordered by class and name.

    labels: file name without its extension -> class id, from the file `truth`. Only names that the folder has become
    paths. Raises RetortError for images without a label, labelled images of these classes that are not there, and
    classes without images.
    """
    names = image_names(folder)
    if not names:
        raise RetortError(f"{folder} has no images, which {truth} labels; check dataset.path")
    by_stem = {stem_of(name): name for name in names}
    if len(by_stem) < len(names):
        repeated = sorted(set(names) - set(by_stem.values()))
        raise RetortError(f"{folder} has two files for each of {some_of(repeated)}, with different extensions")
    if unlabelled := sorted(set(by_stem) - set(labels)):
        raise RetortError(f"{truth} has no label for {len(unlabelled)} files of {folder}: {some_of(unlabelled)}")
    members: dict[str, list[str]] = {class_id: [] for class_id in classes}
    for stem, class_id in labels.items():
        if class_id in members:
            members[class_id].append(stem)
    missing = sorted(stem for stems in members.values() for stem in stems if stem not in by_stem)
    if missing:
        raise RetortError(f"{truth} labels {len(missing)} files that {folder} does not have: {some_of(missing)}")
    if empty := [class_id for class_id, stems in members.items() if not stems]:
        raise RetortError(f"{truth} gives no image to {some_of(empty)}")
    return [
        ImageFile(split, class_id, f"{class_id}/{name}", f"{folder}{os.sep}{name}")
        for class_id, stems in members.items()
        for name in sorted(by_stem[stem] for stem in stems)
    ]


def stem_of(name: str) -> str:
    """A file's name without its extension, in one spelling; slashes stay, so that no path passes for a name."""
    return letters_of(name.removesuffix(PurePath(name).suffix))


def add_label(labels: dict[str, str], name: str, class_id: str, where: str) -> None:
    """Enter one file's class. Raises RetortError for a file that has one already."""
    if stem_of(name) in labels:
        raise RetortError(f"{where}: {name} is named twice")
    labels[stem_of(name)] = class_id
