"""Decoded splits: `pixels` (N, side, side, 3) uint8 and `labels` (N,) int64, in manifest order."""

import numpy as np

from retort.base.tensors import create_tensors, open_tensors


def create_split(path: str, images: int, side: int):
    """The two maps, to be filled row by row; the file appears when all are written."""
    return create_tensors(path, {"pixels": ((images, side, side, 3), "uint8"), "labels": ((images,), "int64")})


def open_split(path: str) -> tuple[np.ndarray, np.ndarray]:
    """(pixels, labels) of a decoded split, memory-mapped."""
    maps = open_tensors(path)
    return maps["pixels"], np.asarray(maps["labels"])
