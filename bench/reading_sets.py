"""Reading a distilled set into memory: its PNGs as files one by one, as files by several processes, and as one archive.

PNGs of 224 x 224 pixels, wall seconds, processes and their start included; with as many readers as there are cores. The
baseline opens, decodes and copies one file after the other. All sides read the same images, which the machine holds in
memory; what a disk, or a network between, takes to find and open files comes on top, for each file of a folder and once
for an archive. The limit is what the cores decode where no pixel leaves its process.
"""

import os
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from io import BytesIO
from multiprocessing import get_context
from multiprocessing.pool import Pool
from pathlib import Path

import numpy as np
from PIL import Image

from bench.rows import Row, in_turn
from retort.artifacts.sets import COLUMNS, MANIFEST, read_set
from retort.base.files import write_rows
from retort.data.images import read_rgb
from retort.data.stores import storing

SIDE, CLASSES, DISTINCT, COMPARED = 224, 50, 50, 7


def measure(full: bool) -> list[Row]:
    count, cores = 5000 if full else 2000, os.cpu_count() or 1
    with tempfile.TemporaryDirectory() as folder, get_context("forkserver").Pool(cores) as pool:
        files, packed = (write_images(Path(folder, store), store, count) for store in ("folder", "zip"))
        paths = sorted(str(path) for path in files.rglob("*.png"))
        pool.map(decoded, [[path] for path in paths[:cores]])  # imports
        sides = {
            f"files, {cores} readers": partial(read_set, files, None, threads=cores),
            "one archive, 1 reader": partial(read_set, packed, None),
            f"one archive, {cores} readers": partial(read_set, packed, None, threads=cores),
        }
        limit = partial(without_pixels, pool, paths, cores)
        own = [partial(sample, read) for read in sides.values()]
        seconds, found = in_turn(limit, partial(one_by_one, paths), *own, clock=time.perf_counter)
    (bound, slow, *seconds), (_, expected, *found) = seconds, found
    rows = []
    for name, own, kept in zip(sides, seconds, found, strict=True):
        equal = np.array_equal(kept, expected[::COMPARED])
        work = f"reading a set of {count} PNGs, wall: {name}, beside files one by one"
        row = Row(work, own, slow, f"{'same' if equal else 'other'} pixels", equal)
        rows.append(replace(row, share=bound / own, limit="what all cores decode") if "readers" in name else row)
    return rows


def sample(read: Callable[[], tuple[np.ndarray, np.ndarray]]) -> np.ndarray:
    """Every COMPARED-th image: the pixels of all sides together need not fit into memory."""
    return read()[0][::COMPARED].copy()


def one_by_one(paths: list[str]) -> np.ndarray:
    """(N, SIDE, SIDE, 3) uint8, as sets were read before others read ahead."""
    pixels = np.empty((len(paths), SIDE, SIDE, 3), np.uint8)
    for place, path in enumerate(paths):
        pixels[place] = np.asarray(read_rgb(path))
    return pixels


def without_pixels(pool: Pool, paths: list[str], cores: int) -> None:
    pool.map(decoded, [paths[first::cores] for first in range(cores)])


def decoded(paths: list[str]) -> None:
    for path in paths:
        read_rgb(path)


def write_images(folder: Path, store: str, count: int) -> Path:
    """A set in one of the forms; DISTINCT images over and over, as making PNGs takes longer than reading them."""
    contents = list(map(png, range(DISTINCT)))
    names = [f"{number // (count // CLASSES):03d}/{number % (count // CLASSES):05d}.png" for number in range(count)]
    folder.mkdir()
    with storing(folder, store) as put:
        for number, name in enumerate(names):
            put(name, contents[number % DISTINCT])
    rows = (
        dict.fromkeys(COLUMNS, "") | {"file": name, "class_index": int(name[:3]), "index": int(name[4:9])}
        for name in names
    )
    write_rows(folder / MANIFEST, COLUMNS, rows)
    return folder


def png(number: int) -> bytes:
    """Smooth colours with some grain, of about as many bytes as a photograph."""
    rng, content = np.random.default_rng(number), BytesIO()
    coarse = Image.fromarray(rng.integers(0, 256, (14, 14, 3), dtype=np.uint8))
    smooth = np.asarray(coarse.resize((SIDE, SIDE), Image.Resampling.BICUBIC), dtype=np.float64)
    Image.fromarray((smooth + rng.normal(0, 8, smooth.shape)).clip(0, 255).astype(np.uint8)).save(content, "PNG")
    return content.getvalue()
