"""Decode a split once, at the size at which students and teachers see it."""

from tqdm import tqdm

from retort.artifacts.pixels import create_split
from retort.data.images import CROP, Fit
from retort.data.manifest import read_split
from retort.data.streams import stream_squares


def decode_split(manifest: str, pixels: str, *, split: str, side: int, threads: int, fit: Fit = CROP) -> None:
    """`pixels` (N, side, side, 3) uint8 and `labels` (N,) int64, in manifest order, streamed to disk.

    fit: how an image becomes square.
    """
    images = read_split(manifest, split, columns=["path", "class_index"])
    with create_split(pixels, len(images), side) as maps:
        maps["labels"][:] = images["class_index"].to_numpy()
        squares = stream_squares(images["path"].tolist(), side, threads, fit)
        for row, square in enumerate(tqdm(squares, total=len(images), desc=f"decoding {split}", unit="image")):
            maps["pixels"][row] = square
