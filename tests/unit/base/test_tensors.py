"""Tensor files: plain safetensors, streamed in and mapped out; damage is noticed."""

import errno
import json
import os
import struct

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from retort.base import tensors
from retort.base.errors import RetortError
from retort.base.tensors import create_tensors, open_tensor, open_tensors, read_metadata, write_tensors

DTYPES = ["float64", "float32", "float16", "int64", "int32", "int16", "uint8", "bool"]


def arrays() -> dict[str, np.ndarray]:
    """One of each dtype, odd sizes first so that later ones lie unaligned; a scalar and empty ones."""
    rng = np.random.default_rng(0)
    found = {f"{d}-array": (rng.normal(size=(3, 1, 5)) * 50).astype(d) for d in reversed(DTYPES)}
    return found | {"scalar": np.array(1.5), "empty": np.zeros((0, 4), "float32"), "hollow": np.zeros((3, 0), "int64")}


def same(found: dict, wanted: dict) -> bool:
    return found.keys() == wanted.keys() and all(
        found[n].dtype == wanted[n].dtype and np.array_equal(found[n], wanted[n]) for n in wanted
    )


@pytest.fixture
def path(tmp_path):
    return tmp_path / "x.safetensors"


# ---------------------------------------------------------------- writing and reading


def test_safetensors_reads_what_is_created_here(path):
    wanted = arrays()
    with create_tensors(path, {n: (a.shape, a.dtype.name) for n, a in wanted.items()}, {"who": "Käfer"}) as maps:
        for name in reversed(wanted):  # any order will do
            maps[name][...] = wanted[name]
        assert not path.exists()
    assert same(load_file(path), wanted)
    assert read_metadata(path) == {"who": "Käfer"}


def test_what_safetensors_writes_is_read_here(path):
    wanted = arrays()
    save_file(wanted, path, {"a": "b"})
    assert same(open_tensors(path), wanted)
    assert read_metadata(path) == {"a": "b"}


@pytest.mark.parametrize("dtype", DTYPES)
def test_each_dtype_makes_the_round_trip(path, dtype):
    wanted = {"x": np.arange(12).reshape(3, 4).astype(dtype)}
    write_tensors(path, wanted)
    assert same(open_tensors(path), wanted)
    assert same(load_file(path), wanted)


def test_one_tensor_is_read_alone_and_one_that_is_not_there_is_told(path):
    wanted = arrays()
    write_tensors(path, wanted)
    assert same({name: open_tensor(path, name) for name in wanted}, wanted)
    with pytest.raises(RetortError, match=r"x\.safetensors lacks 'missing'"):
        open_tensor(path, "missing")


def test_file_without_tensors_makes_the_round_trip(path):
    write_tensors(path, {}, {"only": "words"})
    assert open_tensors(path) == {}
    assert load_file(path) == {}
    assert read_metadata(path) == {"only": "words"}


def test_arrays_that_are_not_contiguous_are_written_as_they_look(path):
    whole = np.arange(24, dtype=np.int32).reshape(4, 6)
    write_tensors(path, {"turned": whole.T, "every": whole[::2, ::3]})
    assert same(load_file(path), {"turned": whole.T, "every": whole[::2, ::3]})


def test_created_tensors_begin_as_zeros(path):
    with create_tensors(path, {"x": ((2, 3), "float32")}):
        pass
    assert np.array_equal(open_tensors(path)["x"], np.zeros((2, 3)))


def test_opened_tensors_are_read_only_maps_of_the_file(path):
    write_tensors(path, {"x": np.arange(4.0)})
    x = open_tensors(path)["x"]
    assert isinstance(x, np.memmap)
    with pytest.raises(ValueError, match="read-only"):
        x[0] = 1
    with open(path, "r+b") as handle:
        handle.seek(-8, 2)
        handle.write(struct.pack("<d", 9.0))
    assert x[3] == 9.0  # not a copy


def test_exception_while_filling_leaves_nothing(path):
    with pytest.raises(ValueError, match="broadcast"), create_tensors(path, {"x": ((4,), "float32")}) as maps:
        maps["x"][:2] = np.ones(3)
    assert list(path.parent.iterdir()) == []


# ---------------------------------------------------------------- room on the disk


def refuse(number: int):
    """In the place of posix_fallocate: a system that answers so."""

    def fallocate(handle: int, place: int, size: int) -> None:
        raise OSError(number, os.strerror(number))

    return fallocate


@pytest.mark.parametrize("reserves", [True, False], ids=["reserves", "cannot reserve"])
def test_the_place_of_all_tensors_is_taken_before_they_are_filled(path, monkeypatch, reserves):
    monkeypatch.setattr(tensors, "WRITTEN_AT_ONCE", 1000)
    if not reserves:
        monkeypatch.setattr(os, "posix_fallocate", refuse(errno.EOPNOTSUPP))
    with create_tensors(path, {"x": ((100_000,), "uint8"), "y": ((7,), "int16")}) as maps:
        [scratch] = path.parent.iterdir()
        assert scratch.stat().st_blocks * 512 >= 100_014
        maps["x"][:], maps["y"][:] = 3, 4
    assert same(load_file(path), {"x": np.full(100_000, 3, np.uint8), "y": np.full(7, 4, np.int16)})


def test_a_large_file_is_reserved_piece_by_piece_without_gaps(path, monkeypatch):
    pieces = []

    def fallocate(handle: int, place: int, size: int) -> None:
        pieces.append((place, size))
        os.ftruncate(handle, place + size)

    monkeypatch.setattr(tensors, "RESERVED_AT_ONCE", 300)
    monkeypatch.setattr(os, "posix_fallocate", fallocate)
    with create_tensors(path, {"x": ((1000,), "uint8")}):
        pass
    base = path.stat().st_size - 1000
    assert pieces == [(base, 300), (base + 300, 300), (base + 600, 300), (base + 900, 100)]


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO])
def test_no_room_is_said_before_anything_is_filled_in(path, monkeypatch, number):
    monkeypatch.setattr(os, "posix_fallocate", refuse(number))
    filled = []
    with pytest.raises(OSError, match=os.strerror(number)) as told, create_tensors(path, {"x": ((10,), "uint8")}):
        filled.append(True)
    assert told.value.errno == number
    assert not filled
    assert list(path.parent.iterdir()) == []


# ---------------------------------------------------------------- damage


def header(**entry) -> bytes:
    text = json.dumps({"x": {"dtype": "F32", "shape": [2], "data_offsets": [0, 8]} | entry}).encode()
    return struct.pack("<Q", len(text)) + text


DATA = bytes(8)
CORRUPT = {
    "empty": b"",
    "shorter than a length": b"\x08\0\0",
    "length without header": struct.pack("<Q", 100),
    "absurd length": struct.pack("<Q", 2**63) + b"{}" + DATA,
    "no JSON": struct.pack("<Q", 8) + b"no json!" + DATA,
    "not UTF-8": struct.pack("<Q", 4) + b'"\xff\xfe"' + DATA,
    "a list": struct.pack("<Q", 2) + b"[]",
    "a number": struct.pack("<Q", 1) + b"7",
    "no offsets": struct.pack("<Q", 8) + b'{"x":{}}' + DATA,
    "one offset": header(data_offsets=[8]) + DATA,
    "unknown dtype": header(dtype="F99") + DATA,
    "wrong shape": header(shape=[3]) + DATA,
    "shape of text": header(shape=["2"]) + DATA,
    "trailing bytes": header() + DATA + b"\0",
    "missing bytes": header() + DATA[:-1],
    "text": b"this is a text file and no tensors",
}


@pytest.mark.parametrize("read", [open_tensors, read_metadata])
@pytest.mark.parametrize("content", CORRUPT.values(), ids=CORRUPT)
def test_damaged_file_is_named_and_a_way_out_given(path, content, read):
    path.write_bytes(content)
    with pytest.raises(
        RetortError, match=r"x\.safetensors is not a whole safetensors file: .*; delete it and run again"
    ):
        read(path)


def test_file_of_these_tests_is_whole_when_undamaged(path):
    path.write_bytes(header() + DATA)
    assert np.array_equal(open_tensors(path)["x"], [0, 0])


def test_file_cut_short_anywhere_is_noticed(path):
    write_tensors(path, {"x": np.arange(6.0), "y": np.arange(3)}, {"a": "b"})
    whole = path.read_bytes()
    for length in range(len(whole)):
        path.write_bytes(whole[:length])
        with pytest.raises(RetortError):
            open_tensors(path)
