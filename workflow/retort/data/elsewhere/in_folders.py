"""Sets of one folder per class, on disk or in a zip archive."""

import hashlib
import zipfile
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path, PurePosixPath

import numpy as np

from retort.base.errors import RetortError, some_of
from retort.base.files import sha256_of
from retort.data.elsewhere import FoundSet
from retort.data.images import BadImage, decode_rgb
from retort.data.layouts.listing import folder_names, image_names, is_image, is_junk
from retort.data.stores import ARCHIVE, UNREADABLE
from retort.data.streams import stream_images


def found_in_folders(path: Path) -> FoundSet:
    """Class by class in name order, and images in name order within a class.

    The checksum is the SHA-256 of one line for each image taken, its own SHA-256 and its name, as sha256sum prints it.
    """
    names = [f"{folder}/{name}" for folder in folder_names(path) for name in image_names(path / folder)]

    def read(positions: Sequence[int], threads: int) -> Iterator[np.ndarray]:
        yield from stream_images([str(path / names[i]) for i in positions], threads)

    def checksum(positions: Sequence[int]) -> str:
        lines = (f"{sha256_of(path / names[i])}  {names[i]}\n".encode() for i in positions)
        digest = hashlib.sha256()
        for line in lines:
            digest.update(line)
        return digest.hexdigest()

    classes = [name.partition("/")[0] for name in names]
    return FoundSet("class folders", classes, False, names, read, checksum)


def found_in_archive(path: Path) -> FoundSet:
    """The same of a zip archive, or of the images.zip in a folder: images lie in the folder of their class, all equally
    deep. Raises RetortError for an archive that is not whole, and for images beside and below each other."""
    file = path / ARCHIVE if path.is_dir() else path
    try:
        with zipfile.ZipFile(file) as archive:
            held = sorted(name for name in archive.namelist() if _is_of_set(name))
    except UNREADABLE as error:
        if isinstance(error, OSError) and error.errno is not None:
            raise
        raise RetortError(f"{file} is no whole zip archive ({error}); fetch it again") from None
    tops = {str(PurePosixPath(name).parent.parent) for name in held}
    if len(tops) > 1 or any("/" not in name for name in held):
        shown = some_of([name for name in held if "/" not in name] or sorted(tops))
        raise RetortError(f"{file} holds images at several depths ({shown}); it has to have one folder per class")
    held.sort(key=lambda name: (PurePosixPath(name).parent.name, PurePosixPath(name).name))
    classes = [PurePosixPath(name).parent.name for name in held]
    names = [f"{class_}/{PurePosixPath(name).name}" for class_, name in zip(classes, held, strict=True)]
    return FoundSet("zip archive", classes, False, names, partial(_members, file, held), lambda _: sha256_of(file))


def _is_of_set(name: str) -> bool:
    return is_image(PurePosixPath(name).name) and not any(map(is_junk, PurePosixPath(name).parts))


def _members(file: Path, held: Sequence[str], positions: Sequence[int], threads: int) -> Iterator[np.ndarray]:
    with zipfile.ZipFile(file) as archive:
        for i in positions:
            try:
                content = archive.read(held[i])
            except UNREADABLE as error:
                raise BadImage(f"{file}/{held[i]}: {error or 'the archive ends in it'}") from None
            yield np.asarray(decode_rgb(content, f"{file}/{held[i]}"))
