"""Decoding images to squares: the workflow's reader against a plain loop of Pillow's in as many processes.

JPEGs of 500 x 375 pixels, the usual size in ImageNet, to 224; wall seconds, one process a core. Processes have started
before the clock does, which matters to small data sets only and is said beside. The limit is what Pillow decodes and
resizes where no pixel leaves its process. The plain loop knows no EXIF, no transparency, no 16 bits and no damage.

A second row asks whether another decoder would be faster: torchvision's, of whole files in memory, nothing resized.
"""

import os
import tempfile
import time
from collections.abc import Sequence
from io import BytesIO
from multiprocessing import get_context
from multiprocessing.pool import Pool
from pathlib import Path

import numpy as np
import torch
from PIL import Image, ImageOps
from torchvision.io import ImageReadMode, decode_jpeg

from bench.rows import Row, in_turn
from retort.data.streams import FEW, SQUARES, stream_squares

WIDTH, HEIGHT, SIDE, FILES = 500, 375, 224, 50


def measure(full: bool) -> list[Row]:
    count, cores = (5 if full else 1) * FEW, os.cpu_count() or 1
    with tempfile.TemporaryDirectory() as folder, get_context("forkserver").Pool(cores) as pool:
        images = write_images(Path(folder))
        paths, files = images * (count // FILES), [Path(path).read_bytes() for path in images]
        start, seconds, kept = ours(paths, cores)
        slow, same = plain(pool, paths, cores, kept)
        limit = without_pixels(pool, paths, cores)
    work = f"decoding {count} JPEGs, {cores} cores, wall ({start:.1f} s of start not counted)"
    read = Row(work, seconds, slow, f"{'same' if same else 'other'} pixels", same, limit / seconds, "Pillow's rate")
    return [read, other_decoder(files)]


def ours(paths: Sequence[str], cores: int) -> tuple[float, float, np.ndarray]:
    """Seconds until the first batch is there, seconds for all others, scaled to all, and the first FILES squares."""
    began, kept = time.perf_counter(), []
    for number, pixels in enumerate(stream_squares(paths, SIDE, cores)):
        if number == SQUARES:
            ready = time.perf_counter()
        if number < FILES:
            kept.append(np.array(pixels))
    rest = time.perf_counter() - ready
    return ready - began, rest * len(paths) / (len(paths) - SQUARES), np.stack(kept)


def plain(pool: Pool, paths: Sequence[str], cores: int, kept: np.ndarray) -> tuple[float, bool]:
    """Seconds, and whether the first squares are `kept`."""
    pool.map(square, paths[:cores])  # imports
    began, same = time.perf_counter(), True
    for number, pixels in enumerate(pool.imap(square, paths, chunksize=SQUARES)):
        same = same and (number >= FILES or np.array_equal(pixels, kept[number]))
    return time.perf_counter() - began, same


def without_pixels(pool: Pool, paths: Sequence[str], cores: int) -> float:
    """Seconds."""
    began = time.perf_counter()
    pool.map(decoded, [paths[first::cores] for first in range(cores)])
    return time.perf_counter() - began


def other_decoder(files: Sequence[bytes]) -> Row:
    """Pillow beside torchvision, in this process, each file a few times."""

    def pillow() -> list[np.ndarray]:
        return [np.asarray(Image.open(BytesIO(file)).convert("RGB")) for file in files]

    def torchvision() -> list[np.ndarray]:
        rows = (torch.frombuffer(bytearray(file), dtype=torch.uint8) for file in files)
        return [decode_jpeg(row, mode=ImageReadMode.RGB).permute(1, 2, 0).numpy() for row in rows]

    (ours, other), pixels = in_turn(pillow, torchvision, repeats=5)
    same = all(map(np.array_equal, *pixels))
    work = f"decoding alone, {len(files)} JPEGs, by Pillow beside torchvision"
    return Row(work, ours, other, f"{'same' if same else 'other'} pixels", same)


def square(path: str) -> np.ndarray:
    """(SIDE, SIDE, 3) uint8."""
    with Image.open(path) as image:
        return np.asarray(ImageOps.fit(image.convert("RGB"), (SIDE, SIDE), Image.Resampling.BICUBIC))


def decoded(paths: Sequence[str]) -> None:
    for path in paths:
        square(path)


def write_images(folder: Path) -> list[str]:
    """FILES JPEGs of smooth colours with some grain, of about as many bytes as a photograph."""
    paths = [str(folder / f"{number}.jpg") for number in range(FILES)]
    for number, path in enumerate(paths):
        rng = np.random.default_rng(number)
        coarse = Image.fromarray(rng.integers(0, 256, (30, 40, 3), dtype=np.uint8))
        smooth = np.asarray(coarse.resize((WIDTH, HEIGHT), Image.Resampling.BICUBIC), dtype=np.float64)
        grain = smooth + rng.normal(0, 8, smooth.shape)
        Image.fromarray(grain.clip(0, 255).astype(np.uint8)).save(path, quality=90)
    return paths
