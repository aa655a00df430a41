"""Files that appear whole or not at all."""

import csv
import hashlib
import json
import os
import shutil
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any


@contextmanager
def whole_file(path: str | Path) -> Iterator[Path]:
    """A scratch path beside `path` that becomes `path` when the block succeeds and vanishes when it fails.

    The scratch file is flushed to disk before the rename, so that a crash leaves the old file or the new one.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    scratch = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        yield scratch
        with open(scratch, "rb") as handle:
            os.fsync(handle.fileno())
        os.replace(scratch, path)
    finally:
        scratch.unlink(missing_ok=True)


@contextmanager
def whole_directory(path: str | Path) -> Iterator[Path]:
    """Like `whole_file`, for a directory; an existing one is replaced."""
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    scratch = path.with_name(f".{path.name}.{os.getpid()}.part")
    shutil.rmtree(scratch, ignore_errors=True)
    scratch.mkdir()
    try:
        yield scratch
        if path.exists():
            shutil.rmtree(path)
        os.replace(scratch, path)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


def sha256_of(path: str | Path) -> str:
    """Of a file's content, read in pieces."""
    with open(path, "rb") as handle:
        return hashlib.file_digest(handle, "sha256").hexdigest()


def write_json(path: str | Path, content: Any) -> None:
    """Indented JSON with a final newline, whole or not at all."""
    with whole_file(path) as scratch:
        scratch.write_text(json.dumps(content, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


def read_json(path: str | Path) -> Any:
    return json.loads(Path(path).read_text(encoding="utf-8"))


def write_rows(path: str | Path, columns: list[str], rows: Iterable[dict]) -> int:
    """CSV with a header, whole or not at all; every row has exactly these columns. How many rows there were."""
    with whole_file(path) as scratch, open(scratch, "w", newline="", encoding="utf-8") as handle:
        writer = csv.DictWriter(handle, columns, lineterminator="\n")
        writer.writeheader()
        count = 0
        for row in rows:
            writer.writerow(row)
            count += 1
        return count


def each_row(path: str | Path) -> Iterator[dict[str, str]]:
    """The rows of a CSV one by one: a table of a whole data set need not fit into memory."""
    with open(path, newline="", encoding="utf-8") as handle:
        yield from csv.DictReader(handle)


def read_rows(path: str | Path) -> list[dict[str, str]]:
    return list(each_row(path))
