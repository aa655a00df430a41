"""Parquet shards of a local copy from the Hugging Face hub: which files are which split's."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from retort.base.errors import RetortError, some_of
from retort.base.hints import did_you_mean
from retort.data.layouts.listing import folder_names

TRAIN_NAMES = ("train", "training")
# A test split counts as validation only where there is none: on the hub its labels are often withheld.
VAL_NAMES = ("validation", "valid", "val", "dev", "test", "testing", "eval", "evaluation")
NONE = "none"  # dataset.val_split where no split is held out, but a share of the training images
_SHARD = re.compile(r"(?P<split>[a-z]+)-(?P<index>\d+)-of-(?P<count>\d+)(?:-[0-9a-f]+)?\.parquet")
_OTHER_FORMS = {
    "*/*.arrow": "Arrow files of save_to_disk; write the splits with to_parquet",
    "*.arrow": "Arrow files; write the splits with to_parquet",
    "*.tar": "tar files of WebDataset; load them with `datasets` and write the splits with to_parquet",
    "*/*.tar": "tar files of WebDataset; load them with `datasets` and write the splits with to_parquet",
    "snapshots/*": "the snapshots of the hub's cache; give dataset.path one of them",
    "partial-train": "partial-train, a part of the split; fetch the data set itself",
    "*/partial-train": "partial-train, a part of the split; fetch the data set itself",
}


@dataclass(frozen=True)
class Splits:
    """Where the shards of both splits lie, in order; no training shards where there are none yet."""

    root: Path
    train: list[Path]
    val: list[Path]


def find_splits(path: Path, val_split: str | None) -> Splits:
    """The splits directly under `path`, in its data/, or in the one folder of a configuration, such as plain_text/.

    val_split: the name of the held-out split, NONE, or None for the first of VAL_NAMES. Raises RetortError where
    several configurations have shards, and for a named split that is not there.
    """
    root = _root(path)
    train = _of(root, TRAIN_NAMES)
    names = (val_split,) if val_split else VAL_NAMES
    places = (root, path, path / "data")
    val = [] if val_split == NONE else next((found for place in places if (found := _of(place, names))), [])
    if train and val_split not in (None, NONE) and not val:
        found = split_names(root)
        raise RetortError(
            f"dataset.val_split: {root} has no split {val_split}{did_you_mean(val_split, found)}; it has "
            f"{some_of(found)}, or give {NONE}, and val_fraction of the training images is held out"
        )
    return Splits(root, train, val)


def split_names(root: Path) -> list[str]:
    """What the shards in a folder call their splits."""
    names = {re.sub(r"(-\d+.*)?\.parquet", "", shard.name) for shard in root.glob("*.parquet")}
    return sorted(names | {shard.parent.name for shard in root.glob("*/*.parquet")})


def missing_shards(path: Path) -> RetortError:
    """What there is in the place of the shards."""
    found = next((what for form, what in _OTHER_FORMS.items() if next(path.glob(form), None)), "")
    return RetortError(
        f"dataset.path: {path} has no Parquet shards of a train split, neither itself nor in data/ or another folder"
        + (f"; it has {found}" if found else "; for folders of images give dataset.format: imagefolder")
    )


def whole(shards: list[Path]) -> list[Path]:
    """The shards, if each that their names count is there, once. Raises RetortError if not."""
    numbered = [match for shard in shards if (match := _SHARD.fullmatch(shard.name))]
    if numbered:
        count = int(numbered[0]["count"])
        once = {int(match["index"]) for match in numbered if int(match["count"]) == count}
        if len(once) < len(shards):
            raise RetortError(
                f"{shards[0].parent} holds shards of more than one version of a split, so images would count twice: "
                f"{some_of([shard.name for shard in shards])}; keep those of one"
            )
        if missing := sorted(set(range(count)) - once):
            names = [f"{numbered[0]['split']}-{i:05d}-of-{count:05d}.parquet" for i in missing]
            raise RetortError(f"{shards[0].parent} lacks {some_of(names)}; fetch the rest of the data set")
    return shards


def _root(path: Path) -> Path:
    """The folder that the names of splits are looked for in."""
    for root in (path, path / "data"):
        if _of(root, TRAIN_NAMES):
            return root
    inner = [path / name for name in (folder_names(path) if path.is_dir() else []) if _of(path / name, TRAIN_NAMES)]
    if len(inner) > 1:
        raise RetortError(
            f"dataset.path: {path} holds several configurations of a data set; name one: "
            f"{some_of([str(root) for root in inner])}"
        )
    return inner[0] if inner else path


def _of(root: Path, splits: Sequence[str]) -> list[Path]:
    """The shards of the first of these splits that is there: split-00000-of-00004.parquet or split/*.parquet."""
    for split in splits:
        patterns = (f"{split}-*.parquet", f"{split}.parquet", f"{split}/*.parquet")
        if found := [shard for pattern in patterns for shard in root.glob(pattern)]:
            return sorted(found)
    return []
