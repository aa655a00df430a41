"""Decode a split once, at the size at which students and teachers see it."""

import numpy as np
from tqdm import tqdm

from retort.base.tensors import create_tensors, open_tensors
from retort.data.images import CROP, Fit
from retort.data.manifest import read_split
from retort.data.streams import stream_squares


def decode_split(manifest: str, output: str, *, split: str, side: int, threads: int, fit: Fit = CROP) -> None:
    """`pixels` (N, side, side, 3) uint8 and `labels` (N,) int64, in manifest order, streamed to disk.

    fit: how an image becomes square.
    """
    images = read_split(manifest, split, columns=["path", "class_index"])
    layout = {"pixels": ((len(images), side, side, 3), "uint8"), "labels": ((len(images),), "int64")}
    with create_tensors(output, layout) as maps:
        maps["labels"][:] = images["class_index"].to_numpy()
        pixels = stream_squares(images["path"].tolist(), side, threads, fit)
        for row, square in enumerate(tqdm(pixels, total=len(images), desc=f"decoding {split}", unit="image")):
            maps["pixels"][row] = square


def open_split(path: str) -> tuple[np.ndarray, np.ndarray]:
    """(pixels, labels) of a decoded split, memory-mapped."""
    maps = open_tensors(path)
    return maps["pixels"], np.asarray(maps["labels"])
