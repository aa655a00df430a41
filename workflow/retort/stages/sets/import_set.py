"""Take a set that was made elsewhere: its images at the set's side, in our label order, with where they came from."""

from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from PIL import Image
from tqdm import tqdm

from retort.artifacts.imported import IMAGES, ORIGIN, SOURCE_COLUMNS, SOURCES, imported_layout
from retort.base.errors import RetortError
from retort.base.files import whole_directory, write_json, write_rows
from retort.base.tensors import create_tensors
from retort.base.words import counted
from retort.data.elsewhere import Asked, FoundSet
from retort.data.elsewhere.finding import Taken, find_set, refused, said_of, taken_of
from retort.data.elsewhere.label_files import labels_seen
from retort.data.images import BadImage, Fit, square
from retort.data.manifest import ClassEntry, read_classes
from retort.models.pickled import read_pickled


def import_set(
    class_table: str,
    imported: str,
    *,
    method: str,
    ipc: int,
    asked: Asked,
    side: int,
    fit: str,
    made_of: str | None,
    threads: int,
) -> None:
    """A directory of IMAGES (pixels (N, side, side, 3) uint8, class_index and index), SOURCES (where each image was)
    and ORIGIN: source (the path), stamp (`made_of`, the state of its files), form, sha256 (see the forms of
    `data.elsewhere`), held and taken (images), resized (images of another size), classes (their name of each) and
    soft_labels (see `labels_seen`).

    Of each class the first `ipc` images in name order, or of a file in the order of its rows. Images of another size
    are made squares of `side` as `fit` says. Raises RetortError, naming the method, for a set that cannot be read,
    whose classes are not clear, or that lacks images.
    """
    classes = read_classes(class_table)
    try:
        found = find_set(asked, read_pickled)
        taken = taken_of(found, asked, classes, ipc)
    except RetortError as error:
        raise refused(method, asked.path, error) from None
    held = f"{counted(len(found.classes), 'image')} of {counted(len(set(found.classes)), 'class', 'classes')}"
    print(f"{asked.path}: {found.form}, {held}")
    print(_classes_in_words(taken, classes))
    for line in said_of(found, taken, ipc):
        print(line)
    with whole_directory(imported) as scratch:
        try:
            resized = _write_images(scratch / IMAGES, found, taken, side, Fit(fit), threads)
        except BadImage as error:
            said = f"an image cannot be read ({error}); make it again, or leave it out"
            raise refused(method, asked.path, RetortError(said)) from None
        write_rows(scratch / SOURCES, SOURCE_COLUMNS, _sources(found, taken))
        write_json(scratch / ORIGIN, _origin(asked, found, taken, classes) | {"stamp": made_of, "resized": resized})


def _classes_in_words(taken: Taken, classes: list[ClassEntry]) -> str:
    shown = list(taken.meaning.items())[:3]
    pairs = ", ".join(f"{theirs} is {classes[label].id} ({classes[label].name})" for theirs, label in shown)
    return f"its classes: {pairs}" + (f" and {len(taken.meaning) - 3} more" if len(taken.meaning) > 3 else "")


def _write_images(path: Path, found: FoundSet, taken: Taken, side: int, fit: Fit, threads: int) -> int:
    """Fill the rows as the images are read; how many of them had another size."""
    cells, rows, sizes = taken.cells, taken.rows, Counter()
    with create_tensors(path, imported_layout(len(rows), side)) as maps:
        for (label, index), row in rows.items():
            maps["class_index"][row], maps["index"][row] = label, index
        read = found.read(list(cells), threads)
        bar = tqdm(read, total=len(cells), desc="importing", unit="image")
        for cell, pixels in zip(cells.values(), bar, strict=True):
            sizes[pixels.shape[:2]] += 1
            maps["pixels"][rows[cell]] = _fitted(pixels, side, fit)
    others = {size: count for size, count in sizes.items() if size != (side, side)}
    for (height, width), count in sorted(others.items())[:5]:
        how = "whole, so that they lose their aspect ratio" if fit.way == "squash" else "from their centred square"
        how = "" if height == width else f", {how}"
        print(f"{counted(count, 'image')} of {width} x {height} pixels, resized to {side} x {side}{how}")
    return sum(others.values())


def _fitted(pixels: np.ndarray, side: int, fit: Fit) -> np.ndarray:
    return pixels if pixels.shape[:2] == (side, side) else square(Image.fromarray(pixels), side, fit)


def _sources(found: FoundSet, taken: Taken) -> Iterator[dict]:
    position = {cell: place for place, cell in taken.cells.items()}
    for label, index in taken.rows:
        yield dict(zip(SOURCE_COLUMNS, (label, index, found.names[position[label, index]]), strict=True))


def _origin(asked: Asked, found: FoundSet, taken: Taken, classes: list[ClassEntry]) -> dict:
    return {
        "source": asked.path,
        "form": found.form,
        "sha256": found.checksum(list(taken.cells)),
        "held": len(found.classes),
        "taken": len(taken.cells),
        "classes": {theirs: classes[label].id for theirs, label in taken.meaning.items()},
        "soft_labels": labels_seen(Path(asked.path), found),
    }
