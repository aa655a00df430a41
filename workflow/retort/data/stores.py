"""Where the images of a set lie in its folder: as files below it, or as the members of one archive.

The archive is a zip file whose members are stored as they are: any of them is read without the others, each has a
checksum, and what any tool unpacks are the files of the other form.
"""

import errno
import zipfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from os import scandir
from pathlib import Path, PurePosixPath

import numpy as np
from PIL import Image

from retort.data.images import BadImage, decode_rgb, square

ARCHIVE = "images.zip"
BEGINNING_OF_TIME = (1980, 1, 1, 0, 0, 0)  # in a zip file; with the hour of writing, equal sets were unequal files
READABLE = 0o644 << 16  # the permissions that a member is unpacked with
# What reading raises where a file, an archive or a member is not as it should be.
UNREADABLE = (OSError, EOFError, ValueError, RuntimeError, NotImplementedError, zipfile.BadZipFile)

Put = Callable[[str, bytes], None]


@contextmanager
def storing(folder: Path, store: str) -> Iterator[Put]:
    """A function that puts a file, by its name below the folder and its content, where a form of STORES has it.

    Contents are written as they come and not held. The same calls give the same bytes.
    """
    with STORES[store](folder) as put:
        yield put


@contextmanager
def _files(folder: Path) -> Iterator[Put]:
    def put(name: str, content: bytes) -> None:
        target = folder / name
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(content)

    yield put


@contextmanager
def _members(folder: Path) -> Iterator[Put]:
    with zipfile.ZipFile(folder / ARCHIVE, "w", zipfile.ZIP_STORED) as archive:

        def put(name: str, content: bytes) -> None:
            member = zipfile.ZipInfo(name, BEGINNING_OF_TIME)
            member.external_attr = READABLE
            archive.writestr(member, content)

        yield put


STORES: dict[str, Callable] = {"folder": _files, "zip": _members}


class StoredImages:
    """The images of a folder by their names below it; each process that reads opens an archive once, for itself.

    packed: whether they lie in an archive. Raises BadImage, where anything is read, for an archive that is not whole,
    and OSError where the file system refuses to open it.
    """

    def __init__(self, folder: str | Path):
        self._folder, self._archive, self._opened = Path(folder), Path(folder, ARCHIVE), None
        self.packed = self._archive.is_file()

    def __getstate__(self) -> dict:
        return self.__dict__ | {"_opened": None}

    def missing(self, names: Sequence[str]) -> list[str]:
        """Those of the names that are not there."""
        held = set(self.members()) if self.packed else self._listed(names)
        return [name for name in names if str(PurePosixPath(name)) not in held]

    def members(self) -> list[str]:
        """All that is in the archive."""
        return self._zip().namelist()

    def content(self, name: str) -> bytes:
        """The bytes of a file, in an archive held against their checksum. Raises BadImage."""
        try:
            return self._zip().read(name) if self.packed else self.path(name).read_bytes()
        except (KeyError, FileNotFoundError):
            raise BadImage(f"{self.path(name)}: this image is gone") from None
        except UNREADABLE as error:
            raise BadImage(f"{self.path(name)}: {error or 'the archive ends in it'}") from None

    def rgb(self, name: str) -> Image.Image:
        """As `read_rgb` has it. Raises BadImage."""
        return decode_rgb(self.content(name), self.path(name))

    def path(self, name: str) -> Path:
        """What errors call a file; in an archive nothing lies there."""
        return (self._archive if self.packed else self._folder) / name

    def _zip(self) -> zipfile.ZipFile:
        if self._opened is None:
            try:
                self._opened = zipfile.ZipFile(self._archive)
            except UNREADABLE as error:
                if isinstance(error, OSError) and error.errno not in (None, errno.EINVAL):
                    raise  # of the file system, which says nothing of the archive
                raise BadImage(f"{self._archive}: no whole zip archive ({error})") from None
        return self._opened

    def _listed(self, names: Sequence[str]) -> set[str]:
        """The files beside the named ones: a listing asks a file system once for a folder, not once for a file."""
        found = set()
        for parent in {PurePosixPath(name).parent for name in names}:
            with suppress(FileNotFoundError, NotADirectoryError), scandir(self._folder / parent) as entries:
                found |= {str(parent / entry.name) for entry in entries if entry.is_file()}
        return found


def read_whole(name: str, images: StoredImages, shape: tuple[int, ...]) -> np.ndarray:
    """`shape` uint8. Raises BadImage, also for an image of another shape."""
    pixels = np.asarray(images.rgb(name))
    if pixels.shape != shape:
        here, wanted = (f"{width} x {height} pixels" for height, width, _ in (pixels.shape, shape))
        raise BadImage(f"{name}: {here} where the first image has {wanted}")
    return pixels


def read_square(name: str, images: StoredImages, side: int) -> np.ndarray:
    """(side, side, 3) uint8, resized and cropped as `square` does. Raises BadImage."""
    return square(images.rgb(name), side)
