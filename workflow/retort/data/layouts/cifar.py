"""CIFAR-10 and CIFAR-100 from the standard python archives, packed or unpacked, written out as an image folder."""

import hashlib
import tarfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from tqdm import tqdm

from retort.base.errors import RetortError, some_of
from retort.base.files import read_rows
from retort.data.layouts.instead import near_folder
from retort.data.layouts.listing import nearest_of
from retort.data.unpickle import read_plain_pickle

CLASSES = Path(__file__).parents[1] / "cifar_classes.csv"
SIDE = 32


@dataclass(frozen=True)
class Archive:
    """What an archive holds: names of its members and of their keys."""

    file: str
    folder: str
    md5: str
    train: tuple[str, ...]
    val: str
    meta: str
    labels: str
    names: str

    @property
    def members(self) -> tuple[str, ...]:
        return (*self.train, self.val, self.meta)


ARCHIVES = {
    "cifar10": Archive(
        file="cifar-10-python.tar.gz",
        folder="cifar-10-batches-py",
        md5="c58f30108f718f92721af3b95e74349a",
        train=tuple(f"data_batch_{i}" for i in range(1, 6)),
        val="test_batch",
        meta="batches.meta",
        labels="labels",
        names="label_names",
    ),
    "cifar100": Archive(
        file="cifar-100-python.tar.gz",
        folder="cifar-100-python",
        md5="eb9058c3a382ffc7106e4002c42a8d85",
        train=("train",),
        val="test",
        meta="meta",
        labels="fine_labels",
        names="fine_label_names",
    ),
}


@cache
def archive_classes(kind: str) -> tuple[str, ...]:
    """The archive's own names of its classes, in its label order."""
    return tuple(row["name"] for row in read_rows(CLASSES) if row["dataset"] == kind)


def list_classes(kind: str, wanted: list[str] | None) -> list[str]:
    """Class ids in label order: `wanted`, or all in the archive's order. Raises RetortError for what is no class."""
    known = archive_classes(kind)
    if strange := [c for c in wanted or [] if c not in known]:
        raise RetortError(
            f"dataset.classes: {kind} has no class {some_of(strange)}{nearest_of(strange, known)}; "
            f"it has {some_of(known)}"
        )
    return wanted or list(known)


def places(kind: str, path: Path) -> list[Path]:
    """The archive, or the folder of the unpacked batches with the batches."""
    place = _find(kind, path)
    return [place, *(place / name for name in ARCHIVES[kind].members)]


def write_images(kind: str, path: Path, folder: Path, classes: Sequence[str]) -> None:
    """The images of `classes` as folder/{train,val}/<class>/<row>.png, 32 x 32 RGB; rows count within a split.

    path: the archive, the unpacked folder, or the folder that holds one of them. Nothing is unpacked to disk but
    pixels. Raises RetortError for archives that are missing, cut off or not what they should be; one that merely
    differs from the published file is used, with a warning.
    """
    from PIL import Image

    archive, place = ARCHIVES[kind], _find(kind, path)
    contents = _read_folder(place, archive) if place.is_dir() else _read_archive(place, archive)
    names = _table(contents, place, archive.meta).get(archive.names)
    if not isinstance(names, list) or sorted(map(str, names)) != sorted(archive_classes(kind)):
        raise RetortError(f"{place}: the classes in {archive.meta} are not those of {kind}; is it the right archive?")
    for split, members in (("train", archive.train), ("val", (archive.val,))):
        images = list(_images(contents, place, archive, members, len(names)))
        for row, (pixels, label) in enumerate(tqdm(images, desc=f"writing {split}", unit="image")):
            if names[label] in classes:
                target = folder / split / names[label] / f"{row:05d}.png"
                target.parent.mkdir(parents=True, exist_ok=True)
                Image.fromarray(pixels).save(target)


def _find(kind: str, path: Path) -> Path:
    """The archive or the folder of batches that `path` means; `path` itself when there is neither."""
    archive = ARCHIVES[kind]
    if path.is_dir() and not (path / archive.meta).is_file():
        return next((p for p in (path / archive.folder, path / archive.file) if p.exists()), path)
    return path


def _read_folder(place: Path, archive: Archive) -> dict[str, bytes]:
    missing = [name for name in archive.members if not (place / name).is_file()]
    if missing:
        raise RetortError(f"{place} has no {some_of(missing)}; give {archive.file}, or the folder that it unpacks to")
    return {name: (place / name).read_bytes() for name in archive.members}


def _read_archive(place: Path, archive: Archive) -> dict[str, bytes]:
    """The batches, read into memory by name; no name in the archive becomes a path."""
    if not place.is_file():
        near = near_folder(place)
        raise RetortError(
            f"dataset.path: there is no {place}{near}; give {archive.file} or the folder that it unpacks to"
        )
    with open(place, "rb") as handle:
        found = hashlib.file_digest(handle, lambda: hashlib.md5(usedforsecurity=False)).hexdigest()
    if found != archive.md5:
        print(
            f"warning: {place} has the MD5 {found}, the published {archive.file} {archive.md5}; it is used all the same"
        )
    wanted, contents = {f"{archive.folder}/{name}": name for name in archive.members}, {}
    try:
        with tarfile.open(place) as packed:
            for member in packed:
                if member.isreg() and member.name in wanted:
                    contents[wanted[member.name]] = packed.extractfile(member).read()
    except (tarfile.TarError, OSError, EOFError, ValueError) as error:
        raise RetortError(f"{place} is corrupt or cut off ({error}); fetch it again") from None
    if missing := [name for name in archive.members if name not in contents]:
        raise RetortError(f"{place} lacks {some_of(missing)}; it is cut off, or not {archive.file}")
    return contents


def _table(contents: dict[str, bytes], place: Path, member: str) -> dict[str, Any]:
    table = read_plain_pickle(contents[member], f"{place}: {member}")
    if not isinstance(table, dict):
        raise RetortError(f"{place}: {member} holds no table of images")
    return table


def _images(
    contents: dict[str, bytes], place: Path, archive: Archive, members: Sequence[str], classes: int
) -> Iterator[tuple[np.ndarray, int]]:
    """(32, 32, 3) uint8 and the label of each image, batch after batch."""
    for member in members:
        table = _table(contents, place, member)
        pixels, labels = table.get("data"), table.get(archive.labels)
        size = 3 * SIDE * SIDE
        if not isinstance(pixels, np.ndarray) or pixels.dtype != np.uint8 or pixels.shape[1:] != (size,):
            raise RetortError(f"{place}: {member} holds no rows of {size} bytes under 'data'")
        if not isinstance(labels, list) or len(labels) != len(pixels):
            raise RetortError(f"{place}: {member} does not hold one label an image under {archive.labels!r}")
        if odd := {x for x in labels if not isinstance(x, int) or not 0 <= x < classes}:
            raise RetortError(f"{place}: {member} has labels that are no class: {some_of(sorted(map(str, odd)))}")
        planes = pixels.reshape(-1, 3, SIDE, SIDE)
        yield from zip(planes.transpose(0, 2, 3, 1).copy(), labels, strict=True)
