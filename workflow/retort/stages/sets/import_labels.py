"""Take the soft labels that a set made elsewhere brings, in our class order."""

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from tqdm import tqdm

from retort.artifacts.labels import sizes_of, stamp_of_own
from retort.artifacts.own_labels import RECORD
from retort.artifacts.sets import MANIFEST, read_set
from retort.base.errors import RetortError
from retort.base.files import read_rows, sha256_of
from retort.base.tensors import create_tensors
from retort.base.words import counted
from retort.data.elsewhere import Asked, FoundSet
from retort.data.elsewhere.finding import Taken, find_set, refused, taken_of
from retort.data.elsewhere.label_files import BroughtLabels, brought_labels
from retort.data.elsewhere.own_labels import NOTHING, as_logits, chosen, columns_of
from retort.data.manifest import ClassEntry, read_classes
from retort.models.health import check_finite
from retort.models.pickled import read_pickled

FEW = 0.5  # of the images: where fewer agree, the order of the columns is the first suspect


def import_labels(
    class_table: str,
    distilled: str,
    labels: str,
    *,
    method: str,
    ipc: int,
    asked: Asked,
    stated: str | None,
    made_of: str | None,
    threads: int = 1,
) -> None:
    """`labels`: logits (N, K) float32, a row for each image in the order of the set's manifest.csv, and a column for
    each of our classes in label order. Of probabilities they are log p, and `own_labels.NOTHING` for 0.

    stated: the kind of labels that the config states (see `own_labels.chosen`). The metadata say to which set they
    belong, and under RECORD: source (the path), stamp (`made_of`, the state of the file), file and sha256, name and
    kind (logits or probabilities), columns (how many there were, and how their order is known), left_out (the mean
    share of columns that no class of ours has), agree (the share of images whose class has the highest label), images.

    Raises RetortError, naming the method, for a set that brings none or that is not the one which was imported, and for
    labels of other shapes, meanings, or an order of classes that nothing tells.
    """
    classes = read_classes(class_table)
    try:
        found = find_set(asked, read_pickled)
        taken = taken_of(found, asked, classes, ipc)
        _same_set(found, taken, distilled)
        brought = brought_labels(Path(asked.path), found, read_pickled)
        name, kind = chosen(brought.named, stated)
        width = brought.named[name].shape[1]
        columns, how = columns_of(width, found, taken.meaning, classes, asked.classes is not None)
        _same_classes(brought, found, taken, columns)
        pixels, own = read_set(distilled, None, threads=threads)
        layout = {"logits": ((len(own), len(classes)), "float32")}
        metadata = stamp_of_own(pixels, own) | sizes_of(layout, {})
        logits, left_out = _logits(brought, name, kind, columns, taken, classes)
    except RetortError as error:
        raise refused(method, asked.path, error) from None
    agree = float((logits.argmax(axis=1) == own).mean())
    record = {"source": asked.path, "stamp": made_of, "file": str(brought.file or asked.path), "name": name}
    record |= {"sha256": sha256_of(brought.file) if brought.file else found.checksum(list(taken.cells)), "kind": kind}
    record |= {"columns": f"{width}, {how}", "left_out": left_out, "agree": agree, "images": len(own)}
    for line in in_words(record):
        print(line)
    with create_tensors(labels, layout, metadata | {RECORD: json.dumps(record)}) as maps:
        maps["logits"][:] = logits


def in_words(record: dict) -> list[str]:
    """What there is to say of a set's own labels."""
    lines = [
        f"{record['name']} of {counted(record['images'], 'image')}, read as {record['kind']}",
        f"columns: {record['columns']}",
        f"the highest label of {record['agree']:.1%} of the images is that of their class",
    ]
    if record["agree"] < FEW:
        lines.append(
            "warning: these labels contradict the classes of most images; compare the order of their columns with "
            "classes.csv of the data set before you trust a number that comes from them"
        )
    if record["left_out"] > 0:
        lines.append(f"columns of other classes had {record['left_out']:.1%} of the probability and are left out")
    return lines


def _same_set(found: FoundSet, taken: Taken, distilled: str) -> None:
    """The images that are there now are those that were imported, by their names."""
    listed = [row["source"] for row in read_rows(Path(distilled, MANIFEST))]
    position = {cell: place for place, cell in taken.cells.items()}
    if listed != [found.names[position[cell]] for cell in taken.rows]:
        raise RetortError(f"holds other images than {distilled} was made from; delete that and run again")


def _same_classes(brought: BroughtLabels, found: FoundSet, taken: Taken, columns: Sequence[int]) -> None:
    """Class labels that stand beside soft ones, numbers of columns, are those of the images."""
    if brought.labels is None:
        return
    beside = [int(label) for label in brought.labels.all()]
    for position, (label, _) in taken.cells.items():
        if (number := beside[brought.row_of[position]]) != columns[label]:
            raise RetortError(
                f"has {found.names[position]} in the class of column {columns[label]}, and {brought.file} has the "
                f"label {number} for it; put its rows in the order of the images, or name the images in manifest.csv"
            )


def _logits(
    brought: BroughtLabels, name: str, kind: str, columns: Sequence[int], taken: Taken, classes: Sequence[ClassEntry]
) -> tuple[np.ndarray, float]:
    """(N, K) float32 in the order of the set's manifest, and the mean share of what no class of ours has."""
    rows, cells = taken.rows, taken.cells
    wanted = sorted((brought.row_of[position], rows[cell], cell) for position, cell in cells.items())
    found, left_out = np.empty((len(rows), len(columns)), np.float32), []
    values = brought.named[name].rows([row for row, _, _ in wanted])
    for (_, at, (label, index)), row in zip(wanted, tqdm(values, total=len(wanted), unit="label"), strict=True):
        found[at], lost = as_logits(row, kind, columns)
        if (found[at] == NOTHING).all():
            raise RetortError(f"gives image {index} of {classes[label].id} no probability of any class that is taken")
        left_out.append(lost)
    named = {at: cell for cell, at in rows.items()}
    name_of = [f"{classes[named[at][0]].id}, image {named[at][1]}" for at in range(len(found))].__getitem__
    check_finite(found, name_of, "its soft label in float32 is", "divide the logits by a number")
    return found, float(np.mean(left_out))
