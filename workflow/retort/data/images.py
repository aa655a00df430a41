"""Reading images: one way from a file to square RGB pixels."""

from dataclasses import dataclass
from io import BytesIO
from pathlib import Path

import numpy as np
from PIL import ExifTags, Image, ImageOps, UnidentifiedImageError

from retort.base.errors import RetortError
from retort.data.layouts.signatures import BEGINNING, known_otherwise

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
    return _upright(path, path)


def decode_rgb(content: bytes, path: str | Path) -> Image.Image:
    """The same of the bytes of a file, which errors call `path`."""
    if not content:
        raise BadImage(f"{path}: empty file")
    return _upright(BytesIO(content), path)


def _upright(source: str | Path | BytesIO, path: str | Path) -> Image.Image:
    try:
        with Image.open(source) as handle:
            handle.load()
            kind = handle.format
            turn = _TURNS.get(handle.getexif().get(ExifTags.Base.Orientation))
            image = handle.copy() if turn is None else handle.transpose(turn)
    except Exception as error:  # what a decoder raises when it stumbles over damage can be anything
        raise _named(path, error, source) from None
    if image.mode == "F" or (image.mode == "I" and kind == "TIFF"):
        raise BadImage(f"{path}: 32 bits a pixel, of which nobody can say what is white; save it with 8 or 16")
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


def header_size(path: str | Path) -> tuple[int, int]:
    """The same from the beginning of the file alone, which leaves damage further on to whoever reads the image.

    Raises BadImage for a file that is empty, no image or absurdly large.
    """
    try:
        with Image.open(path) as handle:
            width, height = handle.size
            lies = handle.getexif().get(ExifTags.Base.Orientation) in (5, 6, 7, 8)
    except Exception as error:  # as above
        raise _named(path, error, path) from None
    return (height, width) if lies else (width, height)


def _named(path: str | Path, error: Exception, source: str | Path | BytesIO) -> BadImage:
    if isinstance(error, FileNotFoundError):
        return BadImage(f"{path}: this image is gone; put it back, or run again, and images are listed without it")
    if Path(path).is_file() and Path(path).stat().st_size == 0:
        return BadImage(f"{path}: empty file")
    if isinstance(error, UnidentifiedImageError):  # whose text names the object that was opened
        found = known_otherwise(_beginning(source))
        return BadImage(f"{path}: cannot identify image file{f': it is {found}' if found else ''}")
    return BadImage(f"{path}: {str(error) or type(error).__name__}")


def _beginning(source: str | Path | BytesIO) -> bytes:
    if isinstance(source, BytesIO):
        return source.getvalue()[:BEGINNING]
    with open(source, "rb") as handle:
        return handle.read(BEGINNING)


@dataclass(frozen=True)
class Fit:
    """How an image becomes square.

    way: "crop" resizes the largest centred square; "squash" resizes the whole image, whose aspect ratio is lost; "test"
    is torchvision's Resize of the shorter side and CenterCrop of PIL images, bit for bit. filter: one of Pillow's, in
    small letters, all of which average over what a new pixel stands for. keep: the share of the shorter side that stays
    in the crop of a test: 224 pixels at 0.875 are cut from 256.
    """

    way: str = "crop"
    filter: str = "bicubic"
    keep: float = 1.0


CROP = Fit()


def square(image: Image.Image, side: int, fit: Fit = CROP) -> np.ndarray:
    """(side, side, 3) uint8."""
    kernel = Image.Resampling[fit.filter.upper()]
    if fit.way == "test":
        return _centre(image, side, round(side / fit.keep), kernel)
    if image.size == (side, side):
        return np.asarray(image, dtype=np.uint8)
    if fit.way == "squash":
        return np.asarray(image.resize((side, side), kernel), dtype=np.uint8)
    return np.asarray(ImageOps.fit(image, (side, side), kernel), dtype=np.uint8)


def _centre(image: Image.Image, side: int, short: int, kernel: Image.Resampling) -> np.ndarray:
    """The centre of the image resized to `short` pixels on its shorter side, rounding as torchvision does."""
    width, height = image.size
    size = (short, int(short * height / width)) if width <= height else (int(short * width / height), short)
    pixels = np.asarray(image.resize(size, kernel), dtype=np.uint8)
    top, left = (round((extent - side) / 2) for extent in pixels.shape[:2])
    return pixels[top : top + side, left : left + side]


def resized(pixels: np.ndarray, side: int) -> np.ndarray:
    """(h, h, 3) uint8 to (side, side, 3) uint8 by Lanczos, as D3HR and CoDA resize what they decode."""
    if pixels.shape[:2] == (side, side):
        return pixels
    return np.asarray(Image.fromarray(pixels).resize((side, side), Image.Resampling.LANCZOS))
