"""What all layouts share: names of files and folders, sorted, and class ids that can be folders."""

import os
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple
from unicodedata import category, normalize

from retort.config.hints import did_you_mean
from retort.errors import RetortError, some_of

EXTENSIONS = {".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".bmp", ".webp", ".tif", ".tiff", ".ppm", ".pgm", ".gif"}
LONGEST_NAME = 255  # bytes of a file's name, on the usual file systems


class ImageFile(NamedTuple):
    """One image: its split (train or val), its class, its id (class/file name) and where it lies."""

    split: str
    class_id: str
    image_id: str
    path: str


def image_names(folder: Path) -> list[str]:
    """Names of the image files in a folder, sorted; none when there is no such folder. Hidden files are none.

    Raises RetortError for a name that is no UTF-8, which no table could hold.
    """
    try:
        with os.scandir(folder) as entries:
            names = sorted(e.name for e in entries if is_image(e.name))
    except (FileNotFoundError, NotADirectoryError):
        return []
    if odd := [ascii(name) for name in names if any("\udc80" <= c <= "\udcff" for c in name)]:
        raise RetortError(f"{folder}: {some_of(odd)} have names that are not UTF-8; rename them")
    return names


def is_image(name: str) -> bool:
    """By its name: an image's extension, and not hidden, as the ._x.jpg that macOS leaves on other disks."""
    return os.path.splitext(name)[1].lower() in EXTENSIONS and not name.startswith(".")  # noqa: PTH122 (a million)


def left_out(folders: Iterable[str]) -> list[str]:
    """What lies in the folders of images and is none, hidden things apart: files of other kinds, folders in folders."""
    found = []
    for folder in folders:
        with os.scandir(folder) as entries:
            found += [e.path for e in entries if not e.name.startswith(".") and (e.is_dir() or not is_image(e.name))]
    return sorted(found)


def folder_names(folder: Path) -> list[str]:
    """Names of the visible folders in a folder, sorted."""
    with os.scandir(folder) as entries:
        return sorted(e.name for e in entries if e.is_dir() and not e.name.startswith("."))


def images_in(folder: Path, split: str, class_id: str) -> list[ImageFile]:
    """The images of a folder that holds one class, by name. Raises RetortError when there are none."""
    names = image_names(folder)
    if not names:
        raise RetortError(f"{folder} has no images (looked for {', '.join(sorted(EXTENSIONS))})")
    return [ImageFile(split, class_id, f"{class_id}/{name}", f"{folder}{os.sep}{name}") for name in names]


def nearest_of(missing: Sequence[str], found: Sequence[str]) -> str:
    """', did you mean X?' where one name is missing, or the first of several, and one that was found is close to it."""
    return did_you_mean(missing[0], found)


def require_folders(root: Path, classes: Sequence[str]) -> None:
    """Raises RetortError unless `root` has a folder for each class."""
    if not root.is_dir():
        raise RetortError(f"there is no folder {root}, which should hold one folder per class; check dataset.path")
    found = folder_names(root)
    if missing := sorted(set(spelt_as(classes, found)) - set(found)):
        raise RetortError(
            f"{root} has no folder for {some_of(missing)}{nearest_of(missing, found)}; it has {some_of(found)}"
        )


def letters_of(name: str) -> str:
    """The name in one spelling of its letters: an é may be one code point, or an e and an accent, as macOS has it."""
    return normalize("NFC", name)


def spelt_as(names: Iterable[str], known: Iterable[str]) -> list[str]:
    """The names, each in the code points in which `known` has the same letters, where it does."""
    exact = dict.fromkeys(known)
    by_letters = {letters_of(name): name for name in exact}
    return [name if name in exact else by_letters.get(letters_of(name), name) for name in names]


def class_folder(root: Path, class_id: str) -> Path:
    """The folder of a class, in whichever code points its name is spelt there."""
    folder = root / class_id
    if class_id.isascii() or folder.is_dir() or not root.is_dir():
        return folder
    return root / spelt_as([class_id], folder_names(root))[0]


def refuse_odd_ids(classes: Sequence[str], place: str) -> None:
    """Raises RetortError for class ids that repeat or cannot name a folder: distilled images lie in one per class."""
    repeated = sorted({c for c in classes if classes.count(c) > 1}) if len(set(classes)) < len(classes) else []
    if repeated:
        raise RetortError(f"{place}: classes named twice: {some_of(repeated)}")
    letters = [letters_of(c) for c in classes]
    if len(set(letters)) < len(letters):
        alike = [c for c, same in zip(classes, letters, strict=True) if letters.count(same) > 1]
        raise RetortError(f"{place}: the same letters in other code points are two classes: {some_of(alike)}; keep one")
    if odd := [c for c in classes if not _names_a_folder(c)]:
        raise RetortError(
            f"{place}: {some_of([repr(c) for c in odd])} cannot name a folder; a class id is not empty, has no slash "
            "and no line break or other control character, does not begin with a dot and is at most "
            f"{LONGEST_NAME} bytes long"
        )


def _names_a_folder(class_id: str) -> bool:
    """Control characters and undecodable bytes would break the lists of classes, which have one to a line."""
    if not class_id or class_id.startswith(".") or set(class_id) & set("/\\"):
        return False
    return not {"Cc", "Cs"} & set(map(category, class_id)) and len(class_id.encode()) <= LONGEST_NAME


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
