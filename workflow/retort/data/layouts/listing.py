"""What all layouts share: names of files and folders, sorted, and the lines of text files."""

import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from retort.base.errors import RetortError, some_of
from retort.base.hints import did_you_mean
from retort.data.class_ids import spelt_as
from retort.data.layouts.signatures import kind_of_file

EXTENSIONS = {
    ".jpg",
    ".jpeg",
    ".jpe",
    ".jfif",
    ".png",
    ".bmp",
    ".webp",
    ".tif",
    ".tiff",
    ".ppm",
    ".pgm",
    ".gif",
    ".avif",
}
# What other programs leave behind: thumbnails of a NAS, archives of macOS, bins.
JUNK = {"@eadir", "#recycle", "__macosx", "$recycle.bin", "system volume information", "lost+found"}
JUNK |= {"thumbs.db", "desktop.ini"}


class ImageFile(NamedTuple):
    """One image: its split (train or val), its class, its id (class/file name) and where it lies."""

    split: str
    class_id: str
    image_id: str
    path: str


def image_names(folder: Path) -> list[str]:
    """Names of the image files in a folder, sorted; none when there is no such folder. Hidden files are none.

    A file without any extension is one if it begins as one.

    Raises RetortError for a name that is no UTF-8, which no table could hold.
    """
    try:
        with os.scandir(folder) as entries:
            names = sorted(e.name for e in entries if holds_image(e))
    except (FileNotFoundError, NotADirectoryError):
        return []
    if odd := [ascii(name) for name in names if any("\udc80" <= c <= "\udcff" for c in name)]:
        raise RetortError(f"{folder}: {some_of(odd)} have names that are not UTF-8; rename them")
    return names


def is_image(name: str) -> bool:
    """By its name: an image's extension, and not hidden, as the ._x.jpg that macOS leaves on other disks."""
    return kind_by_name(name) in EXTENSIONS and not name.startswith(".")


def may_be_image(name: str) -> bool:
    """By its name as well: files without an extension, whose first bytes tell."""
    return is_image(name) or not (kind_by_name(name) or is_junk(name))


def holds_image(entry: os.DirEntry) -> bool:
    """By the name of a file, or where that says nothing by its first bytes."""
    if kind_by_name(entry.name):
        return is_image(entry.name)
    return not is_junk(entry.name) and entry.is_file() and kind_of_file(entry.path) in EXTENSIONS


def kind_by_name(name: str) -> str:
    """The extension, in small letters; nothing where there is none."""
    return os.path.splitext(name)[1].lower()  # noqa: PTH122 (a million)


def is_junk(name: str) -> bool:
    """Hidden, or known to be another program's."""
    return name.startswith(".") or name.casefold() in JUNK


def folder_names(folder: Path) -> list[str]:
    """Names of the visible folders in a folder, sorted, but for those that other programs leave."""
    with os.scandir(folder) as entries:
        return sorted(e.name for e in entries if e.is_dir() and not is_junk(e.name))


def nearest_of(missing: Sequence[str], found: Sequence[str]) -> str:
    """', did you mean X?' where one name is missing, or the first of several, and one that was found is close to it."""
    return did_you_mean(missing[0], found)


def class_folder(root: Path, class_id: str) -> Path:
    """The folder of a class, in whichever code points its name is spelt there."""
    folder = root / class_id
    if class_id.isascii() or folder.is_dir() or not root.is_dir():
        return folder
    return root / spelt_as([class_id], folder_names(root))[0]


def text_of(path: Path) -> str:
    """The text of a file, without a byte order mark. Raises RetortError for a file that is no text in UTF-8."""
    try:
        return path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise RetortError(f"{path} is no text in UTF-8 (byte {error.start}); save it as UTF-8") from None


def words_of(path: Path) -> Iterator[tuple[int, list[str]]]:
    """(line number, words) of each line of a text file that is not blank. Raises RetortError as `text_of` does."""
    for number, line in enumerate(text_of(path).splitlines(), start=1):
        if words := line.split():
            yield number, words
