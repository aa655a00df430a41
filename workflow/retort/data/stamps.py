"""What tells that files somebody else owns have changed, without reading them; asked at every start."""

import hashlib
import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from stat import S_ISDIR

from retort.base.files import read_json
from retort.data.layouts.listing import is_image, may_be_image


def stamp_of(places: Iterable[Path], within: bool = False) -> str | None:
    """One short hash of the state of these files and folders; None where none of them is there.

    A file's state is its size and when it last changed, a folder's when it last gained or lost a file; `within` adds
    the state of each image file in it.
    """
    digest, found = hashlib.sha256(), False
    for place in places:
        try:
            state = place.stat()
        except (FileNotFoundError, NotADirectoryError):
            continue
        found, folder = True, S_ISDIR(state.st_mode)
        size = "" if folder else state.st_size
        digest.update(f"{place}\0{size}\0{state.st_mtime_ns}\n".encode())
        for line in _images(place) if folder and within else ():
            digest.update(os.fsencode(line))
    return digest.hexdigest()[:16] if found else None


def source_stamp(source: str, files: Iterable[Path], fetched: Path) -> str | None:
    """The state of the files of a model's source, for the job that copies them into the folder `fetched`.

    Of a source that is gone it is the state in which it was fetched, because what was copied needs it no more; None for
    one that never was on this machine.
    """
    record = fetched / "origin.json"
    if (now := stamp_of(files)) or not record.is_file():
        return now
    origin = read_json(record)
    same = Path(origin["source"]).expanduser().is_relative_to(Path(source).expanduser())
    return origin.get("stamp") if same else None


def _images(folder: Path) -> Iterator[str]:
    """The state of each image file in a folder, by name."""
    with os.scandir(folder) as entries:
        for entry in sorted(entries, key=lambda entry: entry.name):
            if is_image(entry.name) or (may_be_image(entry.name) and entry.is_file()):
                yield f"{entry.name}\0{_state(entry)}\n"


def _state(entry: os.DirEntry) -> str:
    try:
        state = entry.stat()
    except FileNotFoundError:  # a link that leads nowhere
        return "gone"
    return f"{state.st_size}\0{state.st_mtime_ns}"
