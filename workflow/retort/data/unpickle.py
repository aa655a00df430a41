"""Reading the one kind of pickle that a published data set comes in, without letting it run anything.

A pickle is a program. This reader knows only what CIFAR's batches are made of: arrays of numbers, dictionaries, lists,
texts and bytes. Any other name in a pickle ends the reading before anything is called.
"""

import io
import pickletools
from pickle import Unpickler
from typing import Any

import numpy as np

from retort.base.errors import RetortError


def _text_as_bytes(text: str, encoding: str) -> bytes:
    """How Python 3 writes bytes for Python 2: as text and the word latin1."""
    if encoding != "latin1":
        raise ValueError(f"bytes in the encoding {encoding!r}")
    return text.encode("latin1")


def _dtype(spec: str, align: int = 0, copy: int = 1) -> np.dtype:
    """Python 2 wrote the flags as numbers, which numpy no longer likes."""
    return np.dtype(spec)


_REBUILD = np.empty(0).__reduce__()[0]
_ALLOWED = {
    ("numpy.core.multiarray", "_reconstruct"): _REBUILD,  # as written by numpy 1 and 2
    ("numpy._core.multiarray", "_reconstruct"): _REBUILD,
    ("numpy", "ndarray"): np.ndarray,
    ("numpy", "dtype"): _dtype,
    ("_codecs", "encode"): _text_as_bytes,
}


class _ArraysOnly(Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        if (module, name) not in _ALLOWED:
            raise ValueError(f"it asks for {module}.{name}, which no image archive needs")
        return _ALLOWED[module, name]

    def persistent_load(self, pid: Any) -> Any:
        raise ValueError("it refers to something outside itself")


def _refuse_bloat(content: bytes) -> None:
    """Raises ValueError for a pickle that is cut off, or numbers what it remembers beyond its own length: the reader
    would make room for all the numbers up to there, which can be more than there is memory."""
    for code, argument, _ in pickletools.genops(content):
        if code.name.endswith("PUT") and argument > len(content):
            raise ValueError(f"it numbers an object {argument}")


def read_plain_pickle(content: bytes, where: str) -> Any:
    """What the pickle `content` holds; texts of Python 2 are read as latin1.

    Raises RetortError, naming `where`, for a corrupt pickle and for one that asks for anything but plain data.
    """
    try:
        _refuse_bloat(content)
        return _ArraysOnly(io.BytesIO(content), encoding="latin1").load()
    except Exception as error:  # damage can end in any error
        raise RetortError(f"{where} is corrupt, or no batch of images: {error}") from None
