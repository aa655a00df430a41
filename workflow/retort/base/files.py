"""Files that appear whole or not at all."""

import csv
import errno
import hashlib
import json
import os
import re
import secrets
import shutil
import stat
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from io import StringIO
from pathlib import Path
from typing import Any, TextIO

from retort.base.errors import Corrupt

FLUSHED_AT_ONCE = 8  # files of a folder: 50,000 of 40 KB took an ext4 disk 10 s so, and 16 s one by one


@contextmanager
def whole_file(path: str | Path) -> Iterator[Path]:
    """A scratch path beside `path` that becomes `path` when the block succeeds and vanishes when it fails.

    The scratch file is on disk before the rename and the rename before the end, so that neither a kill nor a power cut
    leaves anything but the old file or the new one. Disks that are full or read-only raise their OSError, and the old
    file stays. Whoever the umask lets read new files can read it.
    """
    path = Path(path)
    with _scratch(path) as scratch:
        yield scratch
        _permit([scratch], path.parent)
        _flush(scratch)
        os.replace(scratch, path)
        _flush_names(path.parent)


@contextmanager
def whole_directory(path: str | Path) -> Iterator[Path]:
    """Like `whole_file`, for a directory; an existing one is replaced.

    No rename replaces a directory that is not empty, so a kill between the two that do it leaves no directory at all.
    """
    path = Path(path)
    with _scratch(path) as scratch:
        scratch.mkdir()
        yield scratch
        _permit((Path(place, name) for place, _, names in os.walk(scratch) for name in names), scratch)
        _flush_all(scratch)
        _put_in_place(scratch, path)
        _flush_names(path.parent)


@contextmanager
def _scratch(path: Path) -> Iterator[Path]:
    """A name beside `path` for the block to use; what it made there is removed when it fails.

    What earlier attempts at the same output left when they were killed is removed first. So only one job at a time may
    write an output, which Snakemake sees to; where its lock was broken while an orphan still writes, the orphan fails.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    for left in _left_behind(path):
        _remove(left)
    scratch = _scratch_name(path)
    try:
        yield scratch
    except BaseException:
        with suppress(OSError):  # a disk that fails may fail here too, but the first error is the one to report
            _remove(scratch)
        raise


def _scratch_name(path: Path) -> Path:
    """Never the same twice, as the id of a process may be on two nodes or in two containers."""
    return path.with_name(f".{path.name}.{secrets.token_hex(4)}.part")


def _left_behind(path: Path) -> list[Path]:
    ours = re.compile(rf"\.{re.escape(path.name)}\.\w+\.part")
    return [Path(entry.path) for entry in os.scandir(path.parent) if ours.fullmatch(entry.name)]


def _remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def _put_in_place(scratch: Path, path: Path) -> None:
    """Rename a directory to where another one may be, which is put back if that fails."""
    if not path.exists():
        scratch.rename(path)
        return
    old = _scratch_name(path)
    path.rename(old)
    try:
        scratch.rename(path)
    except OSError:
        old.rename(path)
        raise
    _remove(old)


def _permit(files: Iterable[Path], folder: Path) -> None:
    """Give files that a library made for their owner alone, as safetensors does, the permissions of any new file here.

    Those that share their content with another name, such as a cache's, keep the permissions that they have there.
    """
    found = [(file, file.lstat()) for file in files]
    private = [file for file, facts in found if stat.S_IMODE(facts.st_mode) == 0o600 and facts.st_nlink == 1]
    if private:
        usual = _usual_permissions(folder)
        for file in private:
            file.chmod(usual)


def _usual_permissions(folder: Path) -> int:
    """Those of a file that is made in this folder: by the umask, or by what the folder hands down."""
    probe = _scratch_name(folder / "permissions")
    probe.touch(mode=0o666, exist_ok=False)
    try:
        return stat.S_IMODE(probe.stat().st_mode)
    finally:
        probe.unlink()


def _flush_all(folder: Path) -> None:
    """The files of a folder and of those in it, and their names, to disk."""
    found = [(Path(place), names) for place, _, names in os.walk(folder)]
    with ThreadPoolExecutor(FLUSHED_AT_ONCE) as pool:
        for _ in pool.map(_flush, [place / name for place, names in found for name in names]):
            pass  # raises what the flush raised
    for place, _ in found:
        _flush_names(place)


def _flush(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _flush_names(folder: Path) -> None:
    """The names of what is in a folder, to disk, on file systems that can be told to."""
    try:
        _flush(folder)
    except OSError as error:
        if error.errno != errno.EINVAL:
            raise


def sha256_of(path: str | Path) -> str:
    """Of a file's content, read in pieces."""
    with open(path, "rb") as handle:
        return hashlib.file_digest(handle, "sha256").hexdigest()


def write_json(path: str | Path, content: Any) -> None:
    """Indented JSON with a final newline, whole or not at all."""
    with whole_file(path) as scratch:
        scratch.write_text(json.dumps(content, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


def read_json(path: str | Path) -> Any:
    """Raises Corrupt for what is no JSON, and when a table in it is asked for what it lacks."""
    try:
        return json.loads(Path(path).read_bytes(), object_hook=lambda table: Table(table, path))
    except (ValueError, RecursionError) as error:
        raise Corrupt(path, f"is no JSON ({error})") from None


def write_rows(path: str | Path, columns: list[str], rows: Iterable[dict]) -> int:
    """CSV with a header, whole or not at all; every row has exactly these columns. How many rows there were."""
    with whole_file(path) as scratch, open(scratch, "w", newline="", encoding="utf-8") as handle:
        return _put_rows(handle, columns, rows)


def rows_as_bytes(columns: list[str], rows: Iterable[dict]) -> bytes:
    """What `write_rows` writes."""
    handle = StringIO(newline="")
    _put_rows(handle, columns, rows)
    return handle.getvalue().encode()


def _put_rows(handle: TextIO, columns: list[str], rows: Iterable[dict]) -> int:
    writer = csv.DictWriter(handle, columns, lineterminator="\n")
    writer.writeheader()
    count = 0
    for row in rows:
        writer.writerow(row)
        count += 1
    return count


class Table(dict):
    """A table that was read from a file: what it lacks is told as damage of that file."""

    def __init__(self, content: Iterable, path: str | Path):
        super().__init__(content)
        self._path = path

    def __missing__(self, key: str):
        raise Corrupt(self._path, f"lacks {key!r}")


def each_row(path: str | Path) -> Iterator[dict[str, str]]:
    """The rows of a CSV one by one: a table of a whole data set need not fit into memory.

    Raises Corrupt for what is no table of text, for a row with more or fewer columns than the first line names, and for
    a last line without its end: a number that was cut off is still a number.
    """
    refuse_cut_line(path)
    try:
        with open(path, newline="", encoding="utf-8") as handle:
            reader = csv.DictReader(handle, strict=True)
            for row in reader:
                if None in row or None in row.values():
                    raise Corrupt(path, f"has another number of columns in line {reader.line_num} than in its first")
                yield Table(row, path)
    except (csv.Error, UnicodeDecodeError) as error:
        raise Corrupt(path, f"is no table ({error})") from None


def refuse_cut_line(path: str | Path) -> None:
    """Raises Corrupt for a table that was written here and whose last line has no end."""
    with open(path, "rb") as handle:
        handle.seek(max(0, handle.seek(0, os.SEEK_END) - 1))
        if handle.read(1) not in (b"", b"\n"):
            raise Corrupt(path, "is cut off: its last line has no end")


def read_rows(path: str | Path) -> list[dict[str, str]]:
    """All of `each_row`, and raises what it does."""
    return list(each_row(path))


def inside(folder: str | Path, name: str, listed: str | Path) -> Path:
    """The file `name` of a folder. Raises Corrupt when the table `listed`, which names it, leads out of the folder."""
    if Path(name).is_absolute() or ".." in Path(name).parts or not name:
        raise Corrupt(listed, f"names {name!r}, which is no file in {folder}")
    return Path(folder, name)
