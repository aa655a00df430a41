"""What kind of image a file is, by its first bytes."""

from pathlib import Path

BEGINNING = 32  # bytes that tell
_SIGNATURES = (
    (b"\xff\xd8\xff", ".jpg"),
    (b"\x89PNG", ".png"),
    (b"GIF8", ".gif"),
    (b"BM", ".bmp"),
    (b"II*\0", ".tif"),
    (b"MM\0*", ".tif"),
    (b"P5\n", ".pgm"),
    (b"P6\n", ".ppm"),
    (b"\xff\x0a", ".jxl"),
    (b"\0\0\0\x0cJXL ", ".jxl"),
)
_BRANDS = {b"avif": ".avif", b"avis": ".avif"} | dict.fromkeys((b"heic", b"heix", b"hevc", b"mif1", b"msf1"), ".heic")

# What lies under the name of an image or a checkpoint and is none, with the way out.
_OTHERS = (
    (b"version https://git-lfs", "a Git LFS pointer; fetch the file itself with git lfs pull"),
    (b"<!doctype html", "a web page, as of a download that failed; download it again"),
    (b"<html", "a web page, as of a download that failed; download it again"),
    (b"<?xml", "XML; export it as PNG"),
    (b"<svg", "SVG, a drawing without pixels; render it"),
    (b"%pdf", "a PDF; export its pages as images"),
    (b"pk\x03\x04", "a ZIP archive; unpack it"),
    (b"\x1f\x8b", "a gzip archive; unpack it"),
)
_UNREAD = {
    ".heic": "HEIC; convert it to JPEG or PNG, for instance with pillow-heif",
    ".jxl": "JPEG XL; convert it to JPEG or PNG",
}


def kind_of(content: bytes) -> str | None:
    """The extension that these first bytes of a file belong to; None for those of no known kind of image."""
    if content[:4] == b"RIFF" and content[8:12] == b"WEBP":
        return ".webp"
    if content[4:8] == b"ftyp":
        return _BRANDS.get(content[8:12])
    return next((extension for start, extension in _SIGNATURES if content.startswith(start)), None)


def known_otherwise(content: bytes) -> str | None:
    """What these first bytes are of and what to do, for a file of another name; None where unknown."""
    start = content.lstrip().lower()
    other = next((what for beginning, what in _OTHERS if start.startswith(beginning)), None)
    return other or _UNREAD.get(kind_of(content) or "")


def kind_of_file(path: str | Path) -> str | None:
    """The same of a file; None for one that cannot be read, whose reader says so."""
    try:
        with open(path, "rb") as handle:
            return kind_of(handle.read(BEGINNING))
    except OSError:
        return None
