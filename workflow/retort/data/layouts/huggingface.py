"""Local copies of Hugging Face data sets: image folders with the hub's names of splits, and Parquet shards."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from tqdm import tqdm

from retort.base.errors import RetortError, some_of
from retort.data.class_ids import refuse_odd_ids, spelt_as
from retort.data.imagenet import imagenet_names, subset_classes
from retort.data.layouts.folders import Splits, holds_classes
from retort.data.layouts.listing import nearest_of
from retort.data.layouts.parquet_columns import Columns, columns_of, each_row_of, image_bytes
from retort.data.layouts.shards import NONE, TRAIN_NAMES, VAL_NAMES, find_splits, missing_shards, split_names, whole
from retort.data.layouts.signatures import kind_of

MOST_TEXTS = 20_000  # different labels in a column of text, above which it is no column of labels
WITHHELD = -1  # the hub's label of an image whose class is not published
WNID = re.compile(r"n\d{8}")
# ---------------------------------------------------------------- image folders


def folder_splits(path: Path, val_split: str | None = None) -> Splits:
    """Where the splits of an `imagefolder` lie, in `path` or its data/; None where no images are held out.

    val_split: as the shards have it. Raises RetortError for a named split that is not there.
    """
    for root in (path, path / "data"):
        train = next((root / name for name in TRAIN_NAMES if holds_classes(root / name)), None)
        if train and val_split == NONE:
            return train, None
        if train:
            val = next(
                (root / name for name in (val_split and [val_split]) or VAL_NAMES if holds_classes(root / name)), None
            )
            if val_split and not val:
                raise RetortError(f"dataset.val_split: {root} has no folder {val_split} with one folder per class")
            return train, val
    return path, None


# ---------------------------------------------------------------- Parquet


@dataclass(frozen=True)
class Asked:
    """What a config says of shards: where they lie, which columns and split count, and what the class ids are.

    label_ids: the subset of ImageNet whose wnids are the ids, in the papers' order; by default they are the labels'
    names (with - for /).
    """

    path: Path
    label_column: str | None = None
    label_ids: str | None = None
    image_column: str | None = None
    val_split: str | None = None

    def splits(self):
        return find_splits(self.path, self.val_split)


def asked_of(layout: dict) -> Asked:
    """The same of a layout as the config has it."""
    keys = ("label_column", "label_ids", "image_column", "val_split")
    return Asked(Path(layout["path"]), **{key: layout[key] for key in keys})


def parquet_classes(asked: Asked, wanted: list[str] | None) -> list[str]:
    """Class ids in label order: `wanted`, or those of the shards. The shards need not be there if classes are named.

    Raises RetortError for shards that do not say what their labels are, and for unknown classes.
    """
    if not asked.splits().train:
        if wanted:
            return wanted
        if asked.label_ids:
            return list(subset_classes(asked.label_ids))
        raise missing_shards(asked.path)
    ids = _ids(asked)
    known = list(subset_classes(asked.label_ids)) if asked.label_ids else ids  # in order, as without the shards
    wanted = wanted and spelt_as(wanted, known)
    if missing := sorted(set(wanted or []) - set(known)):
        close = nearest_of(missing, known)
        raise RetortError(
            f"dataset.classes: the shards in {asked.path} have no class {some_of(missing)}{close}; "
            f"they have {some_of(known)}"
        )
    return wanted or known


def parquet_names(asked: Asked) -> dict[str, str]:
    """The readable name of each class id."""
    if asked.label_ids:
        return {wnid: imagenet_names()[wnid] for wnid in subset_classes(asked.label_ids)}
    train = asked.splits().train
    return {_as_id(name): name for name in (_names(train, _columns(train[0], asked)) if train else [])}


def parquet_places(asked: Asked) -> list[Path]:
    """The shards."""
    splits = asked.splits()
    return [*splits.train, *splits.val]


def write_images(asked: Asked, folder: Path, classes: Sequence[str]) -> None:
    """The images of `classes` as they were stored: folder/{train,val}/<class id>/<row>.<kind>.

    Rows count within a split. Without a validation split the classes lie directly under `folder`. No more than a
    few hundred rows are held at a time. Raises RetortError for missing shards, rows without an image, and labels
    outside the classes.
    """
    ids, kept, splits = _ids(asked), set(classes), asked.splits()
    train, val = whole(splits.train), whole(splits.val)
    columns = _columns(train[0], asked)
    labels = {name: i for i, name in enumerate(_names(train, columns))} if columns.names is None else None
    if splits.root not in (asked.path, asked.path / "data"):
        print(f"the shards lie in {splits.root}")
    for split, shards in (("train" if val else "", train), ("val", val)):
        roots = {class_id: folder / split / class_id for class_id in classes}
        for root in roots.values():
            if shards:
                root.mkdir(parents=True, exist_ok=True)
        for row, (content, label, where) in enumerate(_rows(shards, columns, asked)):
            index = _index(label, len(ids), labels, where, splits.root if split == "val" else None)
            if ids[index] in kept:
                if not content:
                    raise RetortError(f"{where}: no bytes of an image; only data sets that hold their images are read")
                (roots[ids[index]] / f"{row:08d}{_extension(content)}").write_bytes(content)


def _index(label: Any, count: int, labels: dict[str, int] | None, where: str, held_out: Path | None) -> int:
    """The place of a row's label among the classes. held_out: where the shards of its split lie, if it is held out."""
    found = label if labels is None else labels.get(str(label))
    if isinstance(found, int) and 0 <= found < count:
        return found
    remedy = ""
    if held_out:
        others = [name for name in split_names(held_out) if name not in TRAIN_NAMES]
        why = "which the hub writes where labels are withheld" if label == WITHHELD else "which no training image has"
        remedy = (
            f", {why}; give dataset.val_split another split ({some_of(others)}), or {NONE}, and val_fraction of the "
            "training images is held out"
        )
    raise RetortError(f"{where}: the label {label} is none of the {count} classes{remedy}")


def _ids(asked: Asked) -> list[str]:
    shards = asked.splits().train
    if not shards:
        raise missing_shards(asked.path)
    names = _names(shards, _columns(shards[0], asked))
    if asked.label_ids is None:
        ids = [_as_id(name) for name in names]
        refuse_odd_ids(ids, f"names of the labels in {shards[0]}")
        return ids
    return _wnids(names, asked.label_ids, shards[0])


def _names(shards: list[Path], columns: Columns) -> list[str]:
    """What the labels are called, in label order; of text sorted, of whole numbers in their order."""
    if columns.names is not None:
        return list(columns.names)
    states = tuple((shard, shard.stat().st_mtime_ns) for shard in shards)
    return [str(value) for value in _distinct(states, columns.label)]


@lru_cache(maxsize=4)
def _distinct(states: tuple[tuple[Path, int], ...], column: str) -> list:
    """The different values of a column in shards, sorted; planning asks more than once."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    found: set = set()
    for shard, _ in states:
        try:
            found |= set(pq.read_table(shard, columns=[column]).column(0).unique().to_pylist())
        except (pa.ArrowException, OSError) as error:
            raise RetortError(f"{shard} is corrupt: {error}") from None
        if len(found) > MOST_TEXTS:
            raise RetortError(
                f"dataset.label_column: {shard} has more than {MOST_TEXTS} different values in {column!r}, which are "
                "no classes; name another column"
            )
    return sorted(found - {None, WITHHELD})


def _wnids(names: list[str], subset: str, shard: Path) -> list[str]:
    """The wnid of each label: what its name says, or as on the hub, whose labels count the sorted wnids.

    Raises RetortError for another number of labels than the subset has classes, and for names that contradict that.
    """
    ids = sorted(subset_classes(subset))
    if len(ids) != len(names):
        raise RetortError(f"dataset.label_ids: {subset} has {len(ids)} classes, but {shard} {len(names)}")
    meanings = _meanings(ids)
    meant = [meanings.get(name.lower().replace("_", " "), []) for name in names]
    if sorted(meant) == [[wnid] for wnid in ids]:
        return [wnid for (wnid,) in meant]
    for name, said, wnid in zip(names, meant, ids, strict=True):
        if wnid not in said and (said or WNID.fullmatch(name)):
            raise RetortError(
                f"dataset.label_ids: {shard} calls a label {name!r}, which is not {wnid} ({imagenet_names()[wnid]}), "
                f"the next of {subset}'s sorted wnids; leave label_ids out, or rename the labels"
            )
    return ids


def _meanings(wnids: list[str]) -> dict[str, list[str]]:
    """The classes that a label's name, in lower case, can mean: a wnid, all of ImageNet's words for a class, or one."""
    found: dict[str, list[str]] = {}
    for wnid in wnids:
        words = imagenet_names()[wnid].lower()
        for name in {wnid, words, *words.split(", ")}:
            found.setdefault(name, []).append(wnid)
    return found


def _as_id(name: str) -> str:
    """A label's name as a class id, which names a folder."""
    return name.replace("/", "-")


def _columns(shard: Path, asked: Asked) -> Columns:
    """Which columns of a shard count, by the config or by the shard itself."""
    return columns_of(shard, asked.image_column, asked.label_column, "dataset.")


def _rows(shards: list[Path], wanted: Columns, asked: Asked) -> Iterator[tuple[bytes | None, Any, str]]:
    """(bytes of the image, label, place) of each row, shard after shard."""
    for shard in tqdm(shards, desc="writing", unit="shard"):
        if _columns(shard, asked) != wanted:
            raise RetortError(f"{shard} has other columns or other names of labels than the first training shard")
        for row, (image, label) in enumerate(each_row_of(shard, wanted.image, wanted.label)):
            yield image_bytes(image), label, f"{shard}, row {row}"


def _extension(content: bytes) -> str:
    """By what the bytes are. Bytes of no known kind are left for the check of all images to find."""
    return kind_of(content) or ".png"
