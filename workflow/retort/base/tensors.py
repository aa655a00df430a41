"""Safetensors files: written piece by piece without holding them in memory, read back memory-mapped."""

import errno
import json
import math
import os
import struct
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from retort.base.errors import Corrupt
from retort.base.files import Table, whole_file

_CODES = {
    "float64": "F64", "float32": "F32", "float16": "F16",
    "int64": "I64", "int32": "I32", "int16": "I16", "int8": "I8", "uint8": "U8", "bool": "BOOL",
}  # fmt: skip
_DTYPES = {code: np.dtype(name) for name, code in _CODES.items()}

RESERVED_AT_ONCE = 2**30  # bytes; between two pieces a signal can end the job
WRITTEN_AT_ONCE = 2**24
CANNOT_RESERVE = (errno.EOPNOTSUPP, errno.ENOSYS, errno.EINVAL)

Layout = dict[str, tuple[tuple[int, ...], str]]


@contextmanager
def create_tensors(path: str | Path, layout: Layout, metadata: dict[str, str] | None = None) -> Iterator[dict]:
    """Writable memory maps for {name: (shape, dtype)}, one file, whole or not at all.

    The file is a plain safetensors file; filling the maps in any order costs no memory beyond the pages
    touched, which is what lets a stage stream. A disk that has no room for all of it raises OSError before anything
    is filled in.
    """
    with whole_file(path) as scratch:
        header, offset = {"__metadata__": metadata or {}}, 0
        for name, (shape, dtype) in layout.items():
            size = _bytes(shape, _CODES[dtype])
            header[name] = {"dtype": _CODES[dtype], "shape": list(shape), "data_offsets": [offset, offset + size]}
            offset += size
        text = json.dumps(header).encode()
        text += b" " * (-len(text) % 8)
        with open(scratch, "wb") as handle:
            handle.write(struct.pack("<Q", len(text)) + text)
            _reserve(handle, offset)
        maps = {n: _map(scratch, header[n], 8 + len(text), "r+") for n in layout}
        yield maps
        for array in maps.values():
            if isinstance(array, np.memmap):
                array.flush()


def write_tensors(path: str | Path, tensors: dict[str, np.ndarray], metadata: dict[str, str] | None = None) -> None:
    """Arrays that are already in memory, as a safetensors file, whole or not at all."""
    with create_tensors(path, {n: (a.shape, a.dtype.name) for n, a in tensors.items()}, metadata) as maps:
        for name, array in tensors.items():
            maps[name][...] = array


def open_tensors(path: str | Path) -> dict[str, np.ndarray]:
    """Read-only memory maps of every tensor in the file.

    Raises Corrupt for a file that is not whole, and when a tensor is asked for that it does not hold.
    """
    header, base = _read_header(Path(path))
    return Table({name: _map(Path(path), entry, base, "r") for name, entry in _entries(header).items()}, path)


def open_tensor(path: str | Path, name: str) -> np.ndarray:
    """One of them alone: to map all that a file of many classes holds, for each class again, takes longer than work."""
    header, base = _read_header(Path(path))
    return _map(Path(path), Table(header, path)[name], base, "r")


def read_metadata(path: str | Path) -> dict[str, str]:
    """The string metadata of the file. Raises Corrupt for a file that is not whole."""
    return _read_header(Path(path))[0].get("__metadata__", {})


def _reserve(handle: BinaryIO, size: int) -> None:
    """Make a file `size` bytes longer, with their place on the disk. Raises OSError when there is not so much left.

    A map of a file with holes finds out by SIGBUS, which ends the process without a word. Where the file system (or the
    C library, which else writes for it) cannot reserve, zeros are written: they take the place too, but for systems
    that compress or copy on write, where nothing can be promised.
    """
    handle.flush()
    first, end = handle.tell(), handle.tell() + size
    try:
        for place in range(first, end, RESERVED_AT_ONCE):
            os.posix_fallocate(handle.fileno(), place, min(RESERVED_AT_ONCE, end - place))
    except (AttributeError, OSError) as error:  # macOS has no such call
        if getattr(error, "errno", errno.EOPNOTSUPP) not in CANNOT_RESERVE:
            raise
        for place in range(first, end, WRITTEN_AT_ONCE):
            handle.write(bytes(min(WRITTEN_AT_ONCE, end - place)))


def _bytes(shape: Sequence[int], code: str) -> int:
    return math.prod(shape) * _DTYPES[code].itemsize


def _map(path: Path, entry: dict, base: int, mode: str) -> np.ndarray:
    shape, dtype = tuple(entry["shape"]), _DTYPES[entry["dtype"]]
    if 0 in shape:
        return np.zeros(shape, dtype)  # an empty file region cannot be mapped
    return np.memmap(path, dtype, mode, offset=base + entry["data_offsets"][0], shape=shape)


def _read_header(path: Path) -> tuple[dict, int]:
    try:
        header, base = read_header(path)
        for name, entry in _entries(header).items():
            first, end = entry["data_offsets"]
            if end - first != _bytes(entry["shape"], entry["dtype"]):
                raise ValueError(f"{name} has other bytes than its shape")
        return header, base
    except KeyError as error:
        raise Corrupt(path, f"is not a whole safetensors file: no tensor of ours is {error}") from None
    except ValueError as error:
        raise Corrupt(path, f"is not a whole safetensors file: {error}") from None


def read_header(path: Path) -> tuple[dict, int]:
    """The header of a safetensors file whatever its dtypes, and the byte at which the tensors begin.

    Raises ValueError, saying why, for a file that is none, or whose size is not what the header says.
    """
    size = path.stat().st_size
    with open(path, "rb") as handle:
        prefix = handle.read(8)
        length = struct.unpack("<Q", prefix)[0] if len(prefix) == 8 else size
        if length > min(size - 8, 100_000_000):
            raise ValueError("its header does not fit into it")
        try:
            header = json.loads(handle.read(length))
        except (ValueError, RecursionError):
            raise ValueError("its header is no JSON") from None
    if not _is_header(header):
        raise ValueError("its header is no table of tensors")
    end = max((entry["data_offsets"][1] for entry in _entries(header).values()), default=0)
    if 8 + length + end != size:
        raise ValueError(f"it has {size:,} bytes where its header says {8 + length + end:,}")
    return header, 8 + length


def _entries(header: dict) -> dict:
    """What a header says of each tensor."""
    return {name: entry for name, entry in header.items() if name != "__metadata__"}


def _is_header(header: Any) -> bool:
    """Whether every entry says what it must, in whole numbers from 0: others would point out of the file."""
    if not isinstance(header, dict) or not isinstance(header.get("__metadata__", {}), dict):
        return False
    for entry in _entries(header).values():
        if not isinstance(entry, dict) or not isinstance(entry.get("dtype"), str):
            return False
        shape, place = entry.get("shape"), entry.get("data_offsets")
        if not (isinstance(shape, list) and isinstance(place, list) and len(place) == 2):
            return False
        if not all(type(n) is int and n >= 0 for n in (*shape, *place)) or place[0] > place[1]:
            return False
    return True
