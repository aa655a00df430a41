"""IDX files as MNIST and its like are published: a header of big-endian numbers, then bytes; packed by gzip or not."""

import gzip
import math
import struct
import zlib
from pathlib import Path

import numpy as np

from retort.base.errors import RetortError

BYTES = 0x08  # the code of unsigned bytes, the one type that images and labels have


def read_idx(file: Path, dimensions: int) -> np.ndarray:
    """Unsigned bytes with so many dimensions, of a file whose name says by .gz whether it is packed.

    Raises RetortError for a file that is cut off, longer than its header says, or none of this kind.
    """
    content = _unpacked(file)
    start = 4 + 4 * dimensions
    if content[:2] != b"\0\0" or len(content) < start:
        raise RetortError(f"{file} is no IDX file: it begins with {content[:4].hex(' ') or 'nothing'}; fetch it again")
    kind, found = content[2], content[3]
    if (kind, found) != (BYTES, dimensions):
        raise RetortError(
            f"{file} has values of type {kind:#04x} in {found} dimensions, where {BYTES:#04x} in {dimensions} is "
            "right; are images and labels in each other's files?"
        )
    shape = struct.unpack(f">{dimensions}I", content[4:start])
    if (there := len(content) - start) != (wanted := math.prod(shape)):
        size = " x ".join(map(str, shape))
        raise RetortError(f"{file} holds {there} values, but its header says {size}, {wanted}; fetch it again")
    return np.frombuffer(content, np.uint8, offset=start).reshape(shape)


def _unpacked(file: Path) -> bytes:
    if file.suffix != ".gz":
        return file.read_bytes()
    try:
        with gzip.open(file) as packed:
            return packed.read()
    except (gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise RetortError(f"{file} is corrupt or cut off ({error}); fetch it again") from None
