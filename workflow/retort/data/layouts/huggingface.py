"""Local copies of Hugging Face data sets: image folders with the hub's names of splits, and Parquet shards."""

import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from tqdm import tqdm

from retort.data.imagenet import imagenet_names, subset_classes
from retort.data.layouts.folders import Splits, holds_classes
from retort.data.layouts.listing import nearest_of, refuse_odd_ids, spelt_as
from retort.errors import RetortError, some_of

TRAIN_NAMES = ("train", "training")
# A test split counts as validation only where there is none: on the hub its labels are often withheld.
VAL_NAMES = ("validation", "valid", "val", "dev", "test", "testing", "eval", "evaluation")
ROWS = 256  # read at a time
_SHARD = re.compile(r"(?P<split>[a-z]+)-(?P<index>\d+)-of-(?P<count>\d+)(?:-[0-9a-f]+)?\.parquet")
WNID = re.compile(r"n\d{8}")
_SIGNATURES = (
    (b"\xff\xd8\xff", ".jpg"),
    (b"\x89PNG", ".png"),
    (b"GIF8", ".gif"),
    (b"BM", ".bmp"),
    (b"II*\0", ".tif"),
    (b"MM\0*", ".tif"),
)

# ---------------------------------------------------------------- image folders


def folder_splits(path: Path) -> Splits:
    """Where the splits of an `imagefolder` lie, in `path` or its data/; None where no images are held out."""
    for root in (path, path / "data"):
        train = next((root / name for name in TRAIN_NAMES if holds_classes(root / name)), None)
        if train:
            return train, next((root / name for name in VAL_NAMES if holds_classes(root / name)), None)
    return path, None


# ---------------------------------------------------------------- Parquet


@dataclass(frozen=True)
class Columns:
    """The columns that hold the image and its label, and what the labels are called, in label order."""

    image: str
    label: str
    names: list[str]


def parquet_classes(path: Path, wanted: list[str] | None, label_column: str | None, label_ids: str | None) -> list[str]:
    """Class ids in label order: `wanted`, or those of the shards. The shards need not be there if classes are named.

    label_ids: the subset of ImageNet whose wnids are the ids, in the papers' order; by default they are the labels'
    names (with - for /). Raises RetortError for shards that do not say what their labels are, and for unknown classes.
    """
    if not _shards(path, TRAIN_NAMES):
        if wanted:
            return wanted
        if label_ids:
            return list(subset_classes(label_ids))
        raise RetortError(
            f"dataset.path: {path} has no Parquet shards of a train split, neither itself nor in data/; "
            "for folders of images give dataset.format: imagefolder"
        )
    ids = _ids(path, label_column, label_ids)
    known = list(subset_classes(label_ids)) if label_ids else ids  # the papers' order, as without the shards
    wanted = wanted and spelt_as(wanted, known)
    if missing := sorted(set(wanted or []) - set(known)):
        raise RetortError(
            f"dataset.classes: the shards in {path} have no class {some_of(missing)}{nearest_of(missing, known)}; "
            f"they have {some_of(known)}"
        )
    return wanted or known


def parquet_names(path: Path, label_column: str | None, label_ids: str | None) -> dict[str, str]:
    """The readable name of each class id."""
    if label_ids:
        return {wnid: imagenet_names()[wnid] for wnid in subset_classes(label_ids)}
    shards = _shards(path, TRAIN_NAMES)
    names = _columns(shards[0], label_column).names if shards else []
    return {_as_id(name): name for name in names}


def parquet_places(path: Path) -> list[Path]:
    """The shards."""
    return [*_shards(path, TRAIN_NAMES), *_shards(path, VAL_NAMES)]


def write_images(
    path: Path, folder: Path, classes: Sequence[str], label_column: str | None, label_ids: str | None
) -> None:
    """The images of `classes` as they were stored: folder/{train,val}/<class id>/<row>.<kind>.

    Rows count within a split. Without a validation split the classes lie directly under `folder`. No more than a
    few hundred rows are held at a time. Raises RetortError for missing shards, rows without an image, and labels
    outside the classes.
    """
    ids, kept = _ids(path, label_column, label_ids), set(classes)
    train, val = _whole(_shards(path, TRAIN_NAMES)), _whole(_shards(path, VAL_NAMES))
    columns = _columns(train[0], label_column)
    for split, shards in (("train" if val else "", train), ("val", val)):
        roots = {class_id: folder / split / class_id for class_id in classes}
        for root in roots.values():
            if shards:
                root.mkdir(parents=True, exist_ok=True)
        for row, (content, label, where) in enumerate(_rows(shards, columns)):
            if ids[label] in kept:
                if not content:
                    raise RetortError(f"{where}: no bytes of an image; only data sets that hold their images are read")
                (roots[ids[label]] / f"{row:08d}{_extension(content)}").write_bytes(content)


def _ids(path: Path, label_column: str | None, label_ids: str | None) -> list[str]:
    shards = _shards(path, TRAIN_NAMES)
    if not shards:
        raise RetortError(f"dataset.path: {path} has no Parquet shards of a train split, neither itself nor in data/")
    names = _columns(shards[0], label_column).names
    if label_ids is None:
        ids = [_as_id(name) for name in names]
        refuse_odd_ids(ids, f"names of the labels in {shards[0]}")
        return ids
    return _wnids(names, label_ids, shards[0])


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


def _shards(path: Path, splits: Sequence[str]) -> list[Path]:
    """The shards of the first of these splits that is there, in order: split-00000-of-00004.parquet or split/*.parquet,
    directly under `path` or in its data/."""
    for split in splits:
        for root in (path, path / "data"):
            patterns = (f"{split}-*.parquet", f"{split}.parquet", f"{split}/*.parquet")
            if found := [shard for pattern in patterns for shard in root.glob(pattern)]:
                return sorted(found)
    return []


def _whole(shards: list[Path]) -> list[Path]:
    """The shards, if each that their names count is there, once. Raises RetortError if not."""
    numbered = [match for shard in shards if (match := _SHARD.fullmatch(shard.name))]
    if numbered:
        count = int(numbered[0]["count"])
        once = {int(match["index"]) for match in numbered if int(match["count"]) == count}
        if len(once) < len(shards):
            raise RetortError(
                f"{shards[0].parent} holds shards of more than one version of a split, whose images would count twice: "
                f"{some_of([shard.name for shard in shards])}; keep those of one"
            )
        if missing := sorted(set(range(count)) - once):
            names = [f"{numbered[0]['split']}-{i:05d}-of-{count:05d}.parquet" for i in missing]
            raise RetortError(f"{shards[0].parent} lacks {some_of(names)}; fetch the rest of the data set")
    return shards


def _columns(shard: Path, label_column: str | None) -> Columns:
    """What the shard's metadata says of its columns, as the hub writes it."""
    import pyarrow.parquet as pq

    try:
        metadata = pq.read_schema(shard).metadata or {}
        features = json.loads(metadata.get(b"huggingface", b"{}")).get("info", {}).get("features", {})
    except Exception as error:  # neither Parquet nor JSON say all that can be wrong with a file
        raise RetortError(f"{shard} cannot be read as Parquet: {error}") from None
    kinds = {name: spec.get("_type") for name, spec in features.items() if isinstance(spec, dict)}
    images = [name for name, kind in kinds.items() if kind == "Image"]
    labels = [name for name, kind in kinds.items() if kind == "ClassLabel"]
    if label_column is not None and label_column not in labels:
        raise RetortError(
            f"dataset.label_column: {shard} has no label column {label_column!r}; it has {some_of(labels)}"
        )
    if len(labels) > 1 and label_column is None:
        raise RetortError(f"{shard} has several label columns; set dataset.label_column to one of {some_of(labels)}")
    if len(images) != 1 or not labels:
        raise RetortError(
            f"{shard}: expected one column of images and one of class labels, described in the 'huggingface' "
            f"metadata; found images: {some_of(images)}; labels: {some_of(labels)}"
        )
    label = label_column or labels[0]
    return Columns(images[0], label, [str(name) for name in features[label].get("names", [])])


def _rows(shards: list[Path], wanted: Columns) -> Iterator[tuple[bytes | None, int, str]]:
    """(bytes of the image, label, place) of each row, shard after shard."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    for shard in tqdm(shards, desc="writing", unit="shard"):
        if _columns(shard, wanted.label) != wanted:
            raise RetortError(f"{shard} has other columns or other names of labels than the first training shard")
        row = 0
        try:
            for batch in pq.ParquetFile(shard).iter_batches(ROWS, columns=[wanted.image, wanted.label]):
                images, labels = (batch.column(name).to_pylist() for name in (wanted.image, wanted.label))
                for image, label in zip(images, labels, strict=True):
                    where = f"{shard}, row {row}"
                    if not isinstance(label, int) or not 0 <= label < len(wanted.names):
                        raise RetortError(f"{where}: the label {label} is none of the {len(wanted.names)} classes")
                    yield (image or {}).get("bytes"), label, where
                    row += 1
        except (pa.ArrowException, OSError) as error:
            raise RetortError(f"{shard} is damaged after row {row}: {error}") from None


def _extension(content: bytes) -> str:
    """By what the bytes are. Bytes of no known kind are left for the check of all images to find."""
    if content[:4] == b"RIFF" and content[8:12] == b"WEBP":
        return ".webp"
    return next((extension for start, extension in _SIGNATURES if content.startswith(start)), ".png")
