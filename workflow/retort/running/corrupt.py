"""Which input of a job is corrupt: asked when nothing else explains an error, as libraries stumble in many ways."""

from collections.abc import Iterable, Iterator
from pathlib import Path

from retort.base.errors import Corrupt
from retort.base.files import each_row, read_json
from retort.base.tensors import read_header
from retort.data.images import BadImage, image_size
from retort.data.stores import ARCHIVE, StoredImages


def corrupt_input(paths: Iterable[str]) -> str | None:
    """What is wrong with the first of these files, or with a file in one of these folders, that is not whole.

    Formats that are not read here count as whole. Of safetensors only the header is read, which says how long they are.
    """
    for path in map(Path, paths):
        for file in _files(path):
            try:
                CHECKS[file.suffix](file)
            except (ValueError, BadImage) as error:
                reason = error.found if isinstance(error, Corrupt) else error
                what = "" if file == path else f": {file.relative_to(path)} is not whole"
                return f"its input {path} is corrupt{what} ({reason}); delete {path} and run again: it will be rebuilt"
    return None


def _files(path: Path) -> Iterator[Path]:
    found = sorted(path.rglob("*")) if path.is_dir() else [path]
    return (file for file in found if file.is_file() and file.suffix in CHECKS)


def _table(file: Path) -> None:
    for _ in each_row(file):
        pass


def _parquet(file: Path) -> None:
    from pyarrow import ArrowException
    from pyarrow.parquet import read_table

    try:
        read_table(file)
    except (ArrowException, OSError) as error:
        raise Corrupt(file, str(error)) from None


def _archive(file: Path) -> None:
    """Of a set's images: every member, against its checksum and as an image."""
    if file.name == ARCHIVE:
        images = StoredImages(file.parent)
        for name in images.members():
            (images.rgb if name.endswith(".png") else images.content)(name)


CHECKS = {
    ".csv": _table,
    ".json": read_json,
    ".parquet": _parquet,
    ".png": image_size,
    ".safetensors": read_header,
    ".zip": _archive,
}
