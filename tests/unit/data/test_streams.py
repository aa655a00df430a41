"""Streams of images: the order kept, the lead bounded, and trouble told, whoever reads."""

import os
import signal
import subprocess
import sys
import time
from itertools import islice
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from PIL import Image

import retort
from retort.base.errors import RetortError
from retort.data import streams
from retort.data.images import BadImage, Fit, read_rgb, square
from retort.data.streams import (
    Awaited,
    Share,
    read_ahead,
    share_of_readers,
    stream_batches,
    stream_images,
    stream_squares,
)

CUT = Fit("test", "bilinear", keep=0.75)

COUNT = 60


@pytest.fixture(params=[1, 2], ids=["here", "by others"])
def threads(request, monkeypatch) -> int:
    """Threads, with few enough images counting as many that other processes read where there are two."""
    monkeypatch.setattr(streams, "FEW", 10)
    return request.param


@pytest.fixture
def shades(tmp_path) -> list[str]:
    """Paths of one-colour images, shade i at place i."""
    paths = [str(tmp_path / f"{i}.png") for i in range(COUNT)]
    for shade, path in enumerate(paths):
        Image.new("RGB", (4, 4), (shade,) * 3).save(path)
    return paths


@pytest.fixture
def shapes(tmp_path) -> list[str]:
    """Paths of noise of many shapes, also of one turned by its EXIF data."""
    rng, paths = np.random.default_rng(0), []
    for i in range(20):
        exif = Image.Exif()
        exif[0x0112] = 6 if i == 3 else 1
        paths.append(str(tmp_path / f"{i}.png"))
        pixels = rng.integers(0, 256, (5 + i % 7, 4 + i % 5, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(paths[-1], exif=exif)
    return paths


# What reads must be importable in another process.


def pid_of(path: str) -> np.ndarray:
    return np.array(os.getpid())


def slow_at_first(path: str) -> np.ndarray:
    number = int(Path(path).stem)
    time.sleep(0.02 if number % 8 == 0 else 0)
    return np.array(number)


def noted(path: str) -> np.ndarray:
    Path(path + ".read").touch()
    return np.array(0)


def killed_at_30(path: str) -> np.ndarray:
    if Path(path).stem == "30":
        os.kill(os.getpid(), signal.SIGKILL)
    return np.array(0)


def mistaken(path: str) -> np.ndarray:
    return np.array(1 // 0)


def cut(paths: list[str], size: int) -> list[list[str]]:
    return [paths[i : i + size] for i in range(0, len(paths), size)]


# ---------------------------------------------------------------- what comes


def test_squares_are_those_of_the_decoder_in_order(shapes, threads):
    found = list(stream_squares(shapes, 6, threads))
    np.testing.assert_array_equal(found, [square(read_rgb(path), 6) for path in shapes])
    assert found[0].dtype == np.uint8


def test_squares_may_keep_less_than_all_of_the_shorter_side(shapes, threads):
    found = list(stream_squares(shapes, 6, threads, fit=CUT))
    np.testing.assert_array_equal(found, [square(read_rgb(path), 6, CUT) for path in shapes])
    assert not np.array_equal(found, [square(read_rgb(path), 6) for path in shapes])


def test_batches_are_as_they_were_asked_for(shapes, threads):
    batches = [shapes[:7], shapes[7:8], shapes[8:]]
    found = list(stream_batches(batches, 6, threads))
    assert [batch.shape for batch in found] == [(7, 6, 6, 3), (1, 6, 6, 3), (12, 6, 6, 3)]
    np.testing.assert_array_equal(np.concatenate(found), [square(read_rgb(path), 6) for path in shapes])


def test_images_come_at_their_own_sizes_upright(shapes, threads):
    found = list(stream_images(shapes, threads))
    assert len(found) == len(shapes)
    for image, path in zip(found, shapes, strict=True):
        assert image.dtype == np.uint8
        np.testing.assert_array_equal(image, np.asarray(read_rgb(path)))
    assert found[3].shape == (7, 8, 3)  # stored as 8 x 7


def test_the_order_is_kept_though_later_images_are_read_faster(shades, threads):
    found = read_ahead(cut(shades, 4), slow_at_first, threads)
    assert [int(n) for batch in found for n in batch] == list(range(COUNT))


def test_a_stream_of_nothing_is_empty(threads):
    assert list(stream_squares([], 4, threads)) == []
    assert list(stream_images([], threads)) == []


# ---------------------------------------------------------------- who reads


def readers(paths: list[str], threads: int, **changes) -> set[int]:
    return {int(pid) for batch in read_ahead(cut(paths, 4), pid_of, threads, **changes) for pid in batch}


def test_as_many_processes_read_as_there_are_threads(shades, monkeypatch):
    monkeypatch.setattr(streams, "FEW", 10)
    assert len(readers(shades, 2)) == 2
    assert len(readers(shades, 3)) == 3
    assert os.getpid() not in readers(shades, 2)


def test_one_thread_and_few_images_are_read_in_this_process(shades, monkeypatch):
    monkeypatch.setattr(streams, "FEW", 10)
    assert readers(shades, 1) == {os.getpid()}
    assert readers(shades[:9], 2) == {os.getpid()}


@pytest.mark.parametrize("threads", [4, 8, 16])
def test_as_many_read_large_images_as_there_are_threads(monkeypatch, threads):
    """At 1,024 px a batch of 64 is larger than half of what may wait, so its images are read in pieces."""
    monkeypatch.setattr(streams, "FEW", 10)
    image, batches = 3 * 1024**2, cut([f"{i}.png" for i in range(640)], 64)
    assert 64 * image > streams.MOST_AHEAD / 3
    found = list(read_ahead(batches, pid_of, threads, stack=True, size=image))
    assert [len(batch) for batch in found] == [64] * 10
    assert len(set(np.concatenate(found))) == threads


@pytest.mark.parametrize("side", [32, 224, 256, 512, 1024, 4096, 20_000])
@pytest.mark.parametrize("threads", [1, 2, 4, 8, 16, 128])
@pytest.mark.parametrize("batch", [1, 8, 64, 256])
def test_what_waits_to_be_used_is_bounded_by_its_bytes(side, threads, batch):
    image = 3 * side**2
    share = share_of_readers(threads, batch, image)
    assert 1 <= share.piece <= batch
    assert share.readers * share.ahead * share.piece * image <= max(streams.MOST_AHEAD, image)
    assert share.readers == min(threads, max(1, streams.MOST_AHEAD // image))
    if threads * streams.AHEAD * batch * image <= streams.MOST_AHEAD:
        assert share == Share(threads, streams.AHEAD, batch)


def test_there_are_no_more_readers_than_may_hold_an_image_of_that_size(shades, monkeypatch):
    monkeypatch.setattr(streams, "FEW", 10)
    monkeypatch.setattr(streams, "MOST_AHEAD", 250)
    assert len(readers(shades, 4, size=100, stack=True)) == 2
    assert readers(shades, 4, size=200, stack=True) == {os.getpid()}


@pytest.mark.parametrize(("size", "early"), [(0, 2 * 2 * 4), (25, 10), (60, 4), (100, 2)])
def test_no_more_is_read_early_than_may_wait(shades, monkeypatch, size, early):
    monkeypatch.setattr(streams, "FEW", 10)
    monkeypatch.setattr(streams, "MOST_AHEAD", 250)
    folder, begun = Path(shades[0]).parent, []
    for _ in read_ahead(cut(shades, 4), noted, 2, stack=True, size=size):
        time.sleep(0.05)  # let them run as far as they may
        begun.append(len(list(folder.glob("*.read"))))
    assert all(read <= 4 * taken + early for taken, read in enumerate(begun, start=1))
    assert begun[0] > 4  # somebody did read ahead
    assert begun[-1] == COUNT


@pytest.mark.parametrize("piece", [1, 2, 5])
def test_batches_read_in_pieces_are_the_same(shapes, monkeypatch, piece):
    monkeypatch.setattr(streams, "FEW", 10)
    monkeypatch.setattr(streams, "MOST_AHEAD", 2 * streams.AHEAD * piece * 6 * 6 * 3)
    batches = [shapes[:9], shapes[9:10], shapes[10:]]
    assert share_of_readers(2, 10, 6 * 6 * 3) == Share(2, streams.AHEAD, piece)
    found = list(stream_batches(batches, 6, 2))
    assert [len(batch) for batch in found] == [9, 1, 10]
    np.testing.assert_array_equal(np.concatenate(found), [square(read_rgb(path), 6) for path in shapes])


@pytest.mark.parametrize("bad", [20, 22, 29])  # the first of its batch, one in the middle of a piece, the last
def test_the_images_before_a_bad_one_come_though_it_was_read_in_a_piece(shades, monkeypatch, bad):
    monkeypatch.setattr(streams, "FEW", 10)
    monkeypatch.setattr(streams, "MOST_AHEAD", 4 * 3 * 48)
    Path(shades[bad]).write_bytes(b"")
    found, batches = [], stream_batches(cut(shades, 10), 4, 2)
    with pytest.raises(BadImage, match=rf"{bad}\.png: empty file"):
        found.extend(shade for batch in batches for shade in batch[:, 0, 0, 0].tolist())
    assert found == list(range(bad))


def test_without_others_a_batch_is_read_when_it_is_asked_for(shades):
    found = read_ahead(cut(shades, 4), noted)
    for taken, _ in enumerate(islice(found, 3), start=1):
        assert len(list(Path(shades[0]).parent.glob("*.read"))) == 4 * taken


def test_reading_draws_nothing_from_the_random_numbers_of_the_job(shades, threads):
    torch.manual_seed(0)
    expected = torch.rand(3)
    torch.manual_seed(0)
    list(stream_squares(shades, 4, threads))
    assert torch.equal(torch.rand(3), expected)


def test_the_script_of_a_job_runs_once_though_others_read_for_it(shades, tmp_path):
    """Scripts of rules run when they are imported, and a new Python process imports the main module."""
    script = tmp_path / "job.py"
    script.write_text(
        "print('begun', flush=True)\n"
        "from retort.data import streams\n"
        "streams.FEW = 10\n"
        f"print(sum(int(s[0, 0, 0]) for s in streams.stream_squares({shades!r}, 4, 2)))\n"
        "import __main__\n"
        "print(__main__.__file__ == __file__)\n"
    )
    environment = os.environ | {"PYTHONPATH": str(Path(retort.__file__).parents[1])}
    run = subprocess.run([sys.executable, script], env=environment, capture_output=True, text=True, check=True)
    assert run.stdout.split() == ["begun", str(sum(range(COUNT))), "True"]
    assert "Warning" not in run.stderr


def test_only_the_seconds_until_something_is_given_count_as_awaited(monkeypatch):
    clock = iter([10.0, 11.5, 20.0, 20.25, 30.0, 34.0])
    monkeypatch.setattr(streams, "time", SimpleNamespace(perf_counter=lambda: next(clock)))
    awaited = Awaited("ab")
    assert list(awaited) == ["a", "b"]
    assert awaited.seconds == 1.5 + 0.25 + 4.0  # the last until the end was known


# ---------------------------------------------------------------- when it goes wrong


@pytest.mark.parametrize("stream", [lambda paths, threads: stream_squares(paths, 4, threads), stream_images])
def test_a_bad_image_is_told_in_one_line_after_those_before_it(shades, threads, stream):
    Path(shades[37]).write_bytes(b"")
    found = []
    with pytest.raises(BadImage) as caught:
        found.extend(int(image[0, 0, 0]) for image in stream(shades, threads))
    assert str(caught.value) == f"{shades[37]}: empty file"
    assert found == list(range(37))


def test_a_reader_that_is_killed_is_told_with_what_to_do(shades, monkeypatch):
    monkeypatch.setattr(streams, "FEW", 10)
    with pytest.raises(RetortError, match=r"process that read images was killed.*memory.*/dev/shm.*fewer threads"):
        list(read_ahead(cut(shades, 4), killed_at_30, 2))


def test_a_mistake_in_the_code_stays_what_it_is(shades, threads):
    with pytest.raises(ZeroDivisionError):
        list(read_ahead(cut(shades, 4), mistaken, threads))
