"""Tensors of a file that somebody else wrote, row by row: safetensors, .npz, and .pt where its reader is given."""

import zipfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from retort.base.errors import RetortError, some_of

ReadPickle = Callable[[Path], Any]
CODES = {"U8": "uint8", "I8": "int8", "F16": "float16", "F32": "float32", "F64": "float64", "BOOL": "bool"}
CODES |= {"I16": "int16", "I32": "int32", "I64": "int64", "U16": "uint16", "U32": "uint32", "U64": "uint64"}
MOST_AT_ONCE = 2**24  # bytes


@dataclass(frozen=True)
class Rows:
    """A tensor that is read row by row. rows: those at these positions, which ascend."""

    shape: tuple[int, ...]
    dtype: np.dtype
    rows: Callable[[Sequence[int]], Iterator[np.ndarray]]

    def all(self) -> Iterator[np.ndarray]:
        return self.rows(range(self.shape[0]))


def open_file(path: Path, tensors_of: ReadPickle) -> Mapping[str, Rows]:
    """The tensors of the file by name. tensors_of: what takes tensors out of a .pt and runs nothing.

    Raises RetortError for a file that is not whole, or holds something else.
    """
    if path.suffix.lower() == ".safetensors":
        return _safetensors(path)
    return _npz(path) if path.suffix.lower() == ".npz" else _pt(path, tensors_of(path))


def _of_array(array: np.ndarray) -> Rows:
    return Rows(array.shape, array.dtype, lambda positions: (np.asarray(array[i]) for i in positions))


# ---------------------------------------------------------------- safetensors


def _safetensors(path: Path) -> dict[str, Rows]:
    from safetensors import SafetensorError, safe_open

    try:
        handle = safe_open(path, framework="numpy")
        names = list(handle.keys())
    except SafetensorError as error:
        raise RetortError(f"{path} is no whole safetensors file ({error}); fetch it again") from None
    found = {}
    for name in names:
        part = handle.get_slice(name)
        if part.get_dtype() not in CODES:
            raise RetortError(f"{path}: {name} is of {part.get_dtype()}; save it as uint8, float16 or float32")
        found[name] = Rows(tuple(part.get_shape()), np.dtype(CODES[part.get_dtype()]), _slices(part))
    return found


def _slices(part) -> Callable[[Sequence[int]], Iterator[np.ndarray]]:
    return lambda positions: (part[i : i + 1][0] for i in positions)


# ---------------------------------------------------------------- npz


def _npz(path: Path) -> dict[str, Rows]:
    """Of numpy's archives, read as a stream, so that not even a compressed one is held in memory; never unpickled."""
    try:
        with zipfile.ZipFile(path) as archive:
            names = [name for name in archive.namelist() if name.endswith(".npy")]
            return {name.removesuffix(".npy"): _npy(path, archive, name) for name in names}
    except (zipfile.BadZipFile, ValueError, EOFError, NotImplementedError) as error:
        raise RetortError(f"{path} is no whole .npz file of numbers ({error})") from None


def _npy(path: Path, archive: zipfile.ZipFile, name: str) -> Rows:
    with archive.open(name) as stream:
        shape, fortran, dtype = _npy_header(stream)
    if dtype.hasobject:
        raise RetortError(f"{path}: {name.removesuffix('.npy')} holds Python objects, which are not read; save numbers")
    if fortran and len(shape) > 1:
        raise RetortError(f"{path}: {name.removesuffix('.npy')} is in Fortran order; save np.ascontiguousarray of it")
    return Rows(shape, dtype, lambda positions: _npy_rows(path, name, positions))


def _npy_header(stream) -> tuple[tuple[int, ...], bool, np.dtype]:
    version = np.lib.format.read_magic(stream)
    read = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}.get(version)
    if read is None:
        raise ValueError(f"version {version} of the format of arrays is not read")
    return read(stream)


def _npy_rows(path: Path, name: str, positions: Sequence[int]) -> Iterator[np.ndarray]:
    try:
        with zipfile.ZipFile(path) as archive, archive.open(name) as stream:
            shape, _, dtype = _npy_header(stream)
            size, at = int(np.prod(shape[1:], dtype=np.int64)) * dtype.itemsize, 0
            for i in positions:
                _skip(stream, (i - at) * size)
                content = stream.read(size)
                if len(content) < size:
                    raise EOFError("it ends too early")
                yield np.frombuffer(content, dtype).reshape(shape[1:])
                at = i + 1
    except (zipfile.BadZipFile, EOFError, ValueError) as error:
        raise RetortError(f"{path} is corrupt in {name} ({error}); fetch it again") from None


def _skip(stream, count: int) -> None:
    while count > 0 and (content := stream.read(min(count, MOST_AT_ONCE))):
        count -= len(content)


# ---------------------------------------------------------------- pt


def _pt(path: Path, content: Any) -> dict[str, Rows]:
    """A table of tensors, images and labels as a pair, or what DC and DM save: {"data": [[images, labels]]}."""
    if isinstance(content, dict) and "images" not in content and isinstance(content.get("data"), list | tuple):
        if len(content["data"]) != 1:
            raise RetortError(f"{path} holds {len(content['data'])} sets under 'data'; save one of them")
        content = content["data"][0]
    if isinstance(content, list | tuple) and len(content) == 2:
        content = dict(zip(("images", "labels"), content, strict=True))
    if not isinstance(content, dict):
        raise RetortError(f"{path} holds a {type(content).__name__}; save a table with the tensors images and labels")
    return {
        str(name): _of_array(_numpy(path, name, value)) for name, value in content.items() if hasattr(value, "numpy")
    }


def _numpy(path: Path, name: str, tensor: Any) -> np.ndarray:
    try:
        return tensor.detach().numpy()
    except (TypeError, RuntimeError) as error:
        raise RetortError(
            f"{path}: {name} is of {tensor.dtype} ({error}); save it as uint8, float16 or float32"
        ) from None


def wanted(path: Path, tensors: Mapping[str, Rows], name: str) -> Rows:
    """Raises RetortError, with what there is, where the file has no tensor of that name."""
    if name not in tensors:
        raise RetortError(
            f"{path} has no tensor called {name!r}; it has {some_of(sorted(tensors))}. Save images and labels under "
            "these names"
        )
    return tensors[name]
