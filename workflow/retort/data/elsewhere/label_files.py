"""Where the soft labels lie that a set made elsewhere brings: in its file, or in a tensor file beside its images."""

import csv
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from retort.base.errors import RetortError, some_of
from retort.data.elsewhere import SOFT, FoundSet
from retort.data.elsewhere.forms import TENSORS, files_of, form_of, listing_beside, shards_in
from retort.data.elsewhere.tensor_files import ReadPickle, Rows, open_file
from retort.data.layouts.listing import text_of
from retort.data.stamps import stamp_of

BESIDE, ORDER = "soft_labels", "manifest.csv"


@dataclass(frozen=True)
class BroughtLabels:
    """The soft labels of a set, by the name of their tensor or column.

    file: the one that they lie in, where it is not the set's own. row_of: of each image, in the order in which images
    count, the row of its label. labels: (N) class labels that stand beside them in that file, if any do.
    """

    named: Mapping[str, Rows]
    row_of: Sequence[int]
    file: Path | None = None
    labels: Rows | None = None


def labels_beside(path: Path) -> Path | None:
    """The tensor file with the soft labels of class folders, soft_labels.npz in the folder, or of a zip archive x.zip,
    x.soft_labels.npz beside it. Raises RetortError where there are several."""
    found = _files_beside(path)
    if len(found) > 1:
        raise RetortError(f"{path} has {some_of([file.name for file in found])}; keep one of them")
    return found[0] if found else None


def _files_beside(path: Path) -> list[Path]:
    place = path / BESIDE if path.is_dir() else path.with_suffix(f".{BESIDE}")
    return [file for kind in TENSORS if (file := place.with_name(place.name + kind)).is_file()]


def label_stamp(path: str) -> str | None:
    """Changes with the file that holds a set's soft labels, and with what says of which images and classes they are;
    None where that file is not there."""
    place = Path(path)
    if not place.exists():
        return None
    if form_of(place) in ("tensors", "parquet"):
        return stamp_of(files_of(place))
    file, listing = labels_beside(place), listing_beside(place)
    beside = [place / ORDER, *([listing] if listing else [])]
    return stamp_of([file, *beside]) if file else None


def names_at(path: str) -> list[str] | None:
    """The names of the soft labels in a file that is a set, without reading it; None where only a job can tell."""
    import pyarrow.parquet as pq

    place = Path(path)
    try:
        if form_of(place) == "parquet":
            names = pq.read_schema(shards_in(place)[0]).names
        elif place.suffix.lower() in (".safetensors", ".npz"):
            names = list(open_file(place, lambda file: {}))
        else:
            return None
    except (RetortError, OSError, ValueError):
        return None
    return [name for name in SOFT if name in names]


def labels_seen(path: Path, found: FoundSet) -> list[str]:
    """What a set seems to bring as soft labels, unread: names in its own file, or of files beside its images."""
    if form_of(path) in ("tensors", "parquet"):
        return list(found.soft)
    return [file.name for file in _files_beside(path)]


def brought_labels(path: Path, found: FoundSet, tensors_of: ReadPickle) -> BroughtLabels:
    """The soft labels of a set. tensors_of: what takes tensors out of a .pt and runs nothing.

    Rows beside class folders are in the order of the column `file` of the manifest.csv in the set's folder, and without
    one in that of the names. Raises RetortError where there are none, and where they are not one row for each image.
    """
    if form_of(path) in ("tensors", "parquet"):
        named, file, labels = found.soft, None, None
    elif (file := labels_beside(path)) is None:
        place = f"{BESIDE}.npz in it" if path.is_dir() else f"{path.stem}.{BESIDE}.npz beside it"
        raise RetortError(f"{path} brings no soft labels; save them as {place}")
    else:
        tensors = open_file(file, tensors_of)
        named, labels = {name: tensors[name] for name in SOFT if name in tensors}, tensors.get("labels")
    if not named:
        raise RetortError(f"{file or path} has no soft labels; save them as one of {some_of(SOFT)}")
    count = len(found.names)
    for name, rows in named.items():
        if len(rows.shape) != 2 or rows.shape[0] != count or rows.dtype.kind not in "uif":
            raise RetortError(
                f"{file or path}: {name} are {rows.dtype} of shape {tuple(rows.shape)}; ({count}, classes) numbers are "
                "needed, one row for each image of the set"
            )
    row_of = _order(path / ORDER, found.names) if file and path.is_dir() else range(count)
    return BroughtLabels(named, row_of, file, labels)


def _order(listed: Path, names: Sequence[str]) -> Sequence[int]:
    if not listed.is_file():
        return range(len(names))
    files = [row.get("file") for row in csv.DictReader(text_of(listed).splitlines())]
    if None in files or sorted(files) != sorted(names):
        raise RetortError(
            f"{listed} says of which images soft labels are, and its column file does not name each image of the set "
            "once; correct it, or take it away if the labels are in the order of the images' names"
        )
    row = {file: number for number, file in enumerate(files)}
    return [row[name] for name in names]
