"""Safetensors files: written piece by piece without holding them in memory, read back memory-mapped."""

import errno
import json
import math
import os
import struct
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

import numpy as np

from retort.data.files import whole_file
from retort.errors import RetortError

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
    """Read-only memory maps of every tensor in the file. Raises RetortError for a damaged file."""
    header, base = _read_header(Path(path))
    return {name: _map(Path(path), entry, base, "r") for name, entry in header.items() if name != "__metadata__"}


def read_metadata(path: str | Path) -> dict[str, str]:
    """The string metadata of the file. Raises RetortError for a damaged file."""
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
        entries = (entry for name, entry in header.items() if name != "__metadata__")
        if all(e["data_offsets"][1] - e["data_offsets"][0] == _bytes(e["shape"], e["dtype"]) for e in entries):
            return header, base
    except (ValueError, KeyError, TypeError):
        pass
    raise RetortError(f"{path} is not a whole safetensors file; delete it and run again, and it will be rebuilt")


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
        header = json.loads(handle.read(length))
    try:
        end = max((e["data_offsets"][1] for name, e in header.items() if name != "__metadata__"), default=0)
    except (KeyError, TypeError, IndexError, AttributeError):
        raise ValueError("its header is no table of tensors") from None
    if 8 + length + end != size:
        raise ValueError(f"it has {size:,} bytes where its header says {8 + length + end:,}")
    return header, 8 + length
