"""Reading images: one way from a file to square RGB pixels, and an ordered, prefetching stream of them."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from pathlib import Path

import numpy as np
from PIL import ExifTags, Image, ImageOps

from retort.errors import RetortError

EXTENSIONS = {".jpg", ".jpeg", ".png", ".bmp", ".webp", ".tif", ".tiff", ".ppm", ".pgm", ".gif"}

# How to turn the stored pixels upright, by EXIF orientation. ImageOps.exif_transpose would also write the EXIF data
# anew, and fails where any of its other tags is odd.
_TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}


class BadImage(RetortError):
    """An image file that cannot be used, and why."""


def read_rgb(path: str | Path) -> Image.Image:
    """The image upright and in RGB: EXIF rotation applied, transparency over white, 16 bits scaled to 8.

    Raises BadImage for a file that is empty, truncated, no image, unreadable or absurdly large.
    """
    try:
        with Image.open(path) as handle:
            handle.load()
            turn = _TURNS.get(handle.getexif().get(ExifTags.Base.Orientation))
            image = handle.copy() if turn is None else handle.transpose(turn)
    except Exception as error:  # what a decoder raises when it stumbles over damage can be anything
        empty = Path(path).is_file() and Path(path).stat().st_size == 0
        raise BadImage(f"{path}: {'empty file' if empty else str(error) or type(error).__name__}") from None
    if image.mode.startswith("I"):
        wide = np.asarray(image, dtype=np.float64)
        image = Image.fromarray((wide / 257).round().clip(0, 255).astype(np.uint8))
    if image.mode in ("RGBA", "LA", "PA") or "transparency" in image.info:
        image = image.convert("RGBA")
        image = Image.alpha_composite(Image.new("RGBA", image.size, "white"), image)
    return image.convert("RGB")


def image_size(path: str | Path) -> tuple[int, int]:
    """(width, height) in pixels after decoding the whole file. Raises BadImage as `read_rgb` does."""
    return read_rgb(path).size


def square(image: Image.Image, side: int) -> np.ndarray:
    """(side, side, 3) uint8: the shorter side resized to `side` (bicubic), then the centre cropped."""
    if image.size != (side, side):
        image = ImageOps.fit(image, (side, side), Image.Resampling.BICUBIC)
    return np.asarray(image, dtype=np.uint8)


def resized(pixels: np.ndarray, side: int) -> np.ndarray:
    """(h, h, 3) uint8 to (side, side, 3) uint8 by Lanczos, as D3HR and CoDA resize what they decode."""
    if pixels.shape[:2] == (side, side):
        return pixels
    return np.asarray(Image.fromarray(pixels).resize((side, side), Image.Resampling.LANCZOS))


def stream_squares(paths: Iterable[str], side: int, threads: int = 1, ahead: int = 64) -> Iterator[np.ndarray]:
    """(side, side, 3) uint8 for each path, in order, decoded by `threads` threads at most `ahead` images early."""
    return _stream(paths, lambda path: square(read_rgb(path), side), threads, ahead)


def stream_images(paths: Iterable[str], threads: int = 1, ahead: int = 16) -> Iterator[np.ndarray]:
    """(height, width, 3) uint8 for each path at its own size, in order, decoded ahead in the same way."""
    return _stream(paths, lambda path: np.asarray(read_rgb(path)), threads, ahead)


def _stream(paths: Iterable[str], read: Callable[[str], np.ndarray], threads: int, ahead: int) -> Iterator[np.ndarray]:
    with ThreadPoolExecutor(max(1, threads)) as pool:
        todo = iter(paths)
        waiting = deque(pool.submit(read, p) for p in islice(todo, max(1, ahead)))
        while waiting:
            pixels = waiting.popleft().result()
            waiting.extend(pool.submit(read, p) for p in islice(todo, 1))
            yield pixels
