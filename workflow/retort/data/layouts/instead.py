"""What there is where images were looked for and not found, so that a message can say it."""

import os
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path

from retort.base.errors import some_of
from retort.base.hints import nearest
from retort.data.layouts.listing import folder_names, holds_image, image_names, is_junk, kind_by_name
from retort.data.layouts.signatures import kind_of_file

TRAIN_WORDS = ("train", "training", "trn")
VAL_WORDS = ("val", "valid", "validation", "dev", "test", "testing", "eval", "evaluation", "held-out", "holdout")
ARCHIVES = (".zip", ".tar", ".tgz", ".gz", ".bz2", ".xz", ".7z", ".rar")
# How images of other formats become readable. Anything else is only counted.
REMEDIES = dict.fromkeys((".heic", ".heif"), "HEIC; convert them to JPEG or PNG, for instance with pillow-heif") | {
    ".jxl": "JPEG XL; convert them to JPEG or PNG",
    ".svg": "drawings without pixels; render them",
    ".gz": "an archive; unpack it",
    ".zip": "an archive; unpack it",
    ".tar": "an archive; unpack it",
    **dict.fromkeys((".cr2", ".cr3", ".nef", ".arw", ".dng", ".raf", ".orf", ".rw2"), "camera raw; develop them"),
    **dict.fromkeys((".mp4", ".mov", ".avi", ".webm"), "videos; take frames from them"),
}
DEEPEST, BROADEST = 3, 50  # folders that are looked into for the right level


def not_images(folder: str | Path) -> list[tuple[str, int]]:
    """What lies in a folder of images and is none, hidden things and other programs' apart.

    (extension, files), with no extension for files that have none; then (NAME/, images in it) for each folder.
    """
    kinds, inner = Counter(), []
    with os.scandir(folder) as entries:
        for entry in entries:
            if is_junk(entry.name):
                continue
            if entry.is_dir():
                inner.append((f"{entry.name}/", _images_in(Path(entry.path))))
            elif not holds_image(entry):
                kinds[kind_by_name(entry.name) or kind_of_file(entry.path) or ""] += 1
    return [*sorted(kinds.items()), *sorted(inner)]


def instead_of_images(folder: Path) -> str:
    """', but a folder images with 14 images' or nothing, after 'has no images'."""
    found = not_images(folder) if folder.is_dir() else []
    return f", but {some_of([_in_words(*what) for what in found])}" if found else ""


def unread(folders: Iterable[str]) -> list[str]:
    """One line for each kind of thing beside the images of classes: what, how it becomes readable, how many where."""
    where: dict[str, list[str]] = {}
    for folder in folders:
        for kind, count in not_images(folder):
            where.setdefault(kind, []).append(f"{count} in {folder}")
    return [f"{_what(kind)}: {some_of(counts)}" for kind, counts in where.items()]


def near_folder(path: Path) -> str:
    """' (did you mean PATH?)', ' (it is a file ...)' or nothing, after a folder that is not there."""
    if path.is_file():
        return " (it is an archive; unpack it)" if path.suffix.lower() in ARCHIVES else " (it is a file)"
    if path.exists():
        return " (what is there is no folder)"
    existing = next((parent for parent in path.absolute().parents if parent.is_dir()), None)
    if existing is None or not os.access(existing, os.R_OK):
        return ""
    missing = path.absolute().relative_to(existing).parts[0]
    close = nearest(missing, [name for name in os.listdir(existing) if not is_junk(name)])  # noqa: PTH208 (names)
    return f" (did you mean {existing / close}?)" if close else ""


def wrong_level(path: Path, found: Sequence[str]) -> str:
    """'; ...' where the folders `found` in `path` are no classes, with what to give instead; nothing otherwise."""
    if like_splits := splits_by_another_name(path, found):
        return f"; {like_splits}"
    if images := len(image_names(path)):
        above = path.absolute().parent
        beside = len(_folders(above))
        return f"; it holds {images} images itself" + (
            f": if it is one class of {beside}, give dataset.path: {above}" if beside > 1 else ""
        )
    deeper = [inner for name in found if len(_folders(inner := path / name)) > 1]
    if len(found) == 1 and deeper:
        inner = _folders(deeper[0])
        return f"; {found[0]} in it has {len(inner)} ({some_of(inner, 4)}): give dataset.path: {deeper[0]}"
    packed = sorted(p.name for p in path.iterdir() if p.suffix.lower() in ARCHIVES)
    return f"; it has {some_of(packed)}: unpack it" if packed else ""


def splits_by_another_name(path: Path, found: Sequence[str]) -> str:
    """'Train and Val look like splits; ...' where folders are the splits of an image folder; nothing otherwise."""
    train = _first_like(TRAIN_WORDS, found)
    if train is None or not _folders(path / train) or image_names(path / train):
        return ""
    val = _first_like(VAL_WORDS, found)
    if (train, val) == ("train", "val"):
        return ""
    if val is None:
        return "" if train == "train" else f"{train} looks like a split; call it train, and the held-out one val"
    return f"{train} and {val} look like splits; call them train and val"


def split_beside(path: Path) -> Path | None:
    """The held-out images beside a folder called like a training split."""
    above = path.absolute().parent
    if path.name.casefold() not in TRAIN_WORDS or not os.access(above, os.R_OK):
        return None
    val = _first_like(VAL_WORDS, _folders(above))
    return above / val if val and _folders(above / val) else None


def train_nearby(path: Path) -> str:
    """'; give dataset.path: ...' where train/ lies at another level than in `path`; nothing otherwise."""
    if path.name.casefold() in TRAIN_WORDS and path.is_dir():
        return f"; give dataset.path: {path.parent}, which holds {path.name}"
    level = [path] if path.is_dir() else []
    for _ in range(DEEPEST + 1):
        for folder in level:
            names = _folders(folder)
            if "train" in names and folder != path:
                return f"; give dataset.path: {folder}, which holds train"
            if other := _first_like(TRAIN_WORDS, names):
                return f"; {folder} has {other}: call it train"
        level = [folder / name for folder in level for name in _folders(folder)[:BROADEST]][:BROADEST]
    close = near_folder(path) if not path.is_dir() else ""
    return f"; there is no {path}{close}" if close else ""


def _first_like(words: Sequence[str], names: Sequence[str]) -> str | None:
    """The name that is one of the words, in whichever case; by the order of the words."""
    return next((name for word in words for name in names if name.casefold() == word), None)


def _folders(folder: Path) -> list[str]:
    """Names of the folders in a folder; none where it may not be read: it is only asked what a message could say."""
    try:
        return folder_names(folder)
    except OSError:
        return []


def _images_in(folder: Path) -> int:
    try:
        return len(image_names(folder))
    except PermissionError:
        return 0


def _what(kind: str) -> str:
    if kind.endswith("/"):
        return f"images in folders called {kind[:-1]}, since only those directly in a class's folder are read"
    remedy = f" ({REMEDIES[kind]})" if kind in REMEDIES else ""
    return f"files of {kind}{remedy}" if kind else "files without an extension that do not begin as images"


def _in_words(kind: str, count: int) -> str:
    if kind.endswith("/"):
        return f"a folder {kind[:-1]} with {count} images" if count else f"a folder {kind[:-1]} without images"
    return f"{count} {_what(kind)}"
