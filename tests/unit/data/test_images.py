"""Reading images: every kind of file becomes upright square RGB, and every damaged one a clear error."""

import io
import random

import numpy as np
import pytest
from PIL import Image
from torchvision.transforms import CenterCrop, Compose, InterpolationMode, Resize

from retort.data.images import BadImage, Fit, header_size, image_size, read_rgb, resized, square

RED, GREEN, BLUE, WHITE, BLACK = (255, 0, 0), (0, 255, 0), (0, 0, 255), (255, 255, 255), (0, 0, 0)


def pixels(path) -> np.ndarray:
    image = read_rgb(path)
    assert image.mode == "RGB"
    return np.asarray(image)


def noise(height: int = 9, width: int = 7, channels: int = 3) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (height, width, channels), dtype=np.uint8)


# ---------------------------------------------------------------- modes


def test_plain_rgb_is_read_as_it_is(tmp_path):
    Image.fromarray(noise()).save(tmp_path / "x.png")
    assert np.array_equal(pixels(tmp_path / "x.png"), noise())
    assert image_size(tmp_path / "x.png") == (7, 9)


def test_transparency_lies_over_white(tmp_path):
    image = Image.new("RGBA", (3, 1))
    image.putdata([(*RED, 255), (*RED, 0), (0, 0, 0, 102)])
    image.save(tmp_path / "x.png")
    assert pixels(tmp_path / "x.png").tolist() == [[list(RED), list(WHITE), [153, 153, 153]]]


def test_grey_with_transparency_lies_over_white(tmp_path):
    image = Image.new("LA", (2, 1))
    image.putdata([(7, 255), (7, 0)])
    image.save(tmp_path / "x.png")
    assert pixels(tmp_path / "x.png").tolist() == [[[7, 7, 7], list(WHITE)]]


@pytest.mark.parametrize("suffix", ["png", "gif"])
def test_palette_keeps_its_colours_and_its_transparent_one_is_white(tmp_path, suffix):
    image = Image.new("P", (3, 1))
    image.putpalette([*RED, *GREEN, *BLUE])
    image.putdata([0, 1, 2])
    image.save(tmp_path / f"x.{suffix}", transparency=1)
    assert pixels(tmp_path / f"x.{suffix}").tolist() == [[list(RED), list(WHITE), list(BLUE)]]


def test_sixteen_bits_are_scaled_to_eight(tmp_path):
    wide = np.array([[0, 257, 200 * 257, 65535]], dtype=np.uint16)
    Image.fromarray(wide).save(tmp_path / "x.png")
    assert pixels(tmp_path / "x.png")[..., 0].tolist() == [[0, 1, 200, 255]]


def test_grey_has_three_equal_channels(tmp_path):
    grey = noise()[..., 0]
    Image.fromarray(grey).save(tmp_path / "x.png")
    assert np.array_equal(pixels(tmp_path / "x.png"), np.stack([grey] * 3, axis=-1))


def test_one_bit_is_black_and_white(tmp_path):
    image = Image.new("1", (2, 1))
    image.putdata([0, 1])
    image.save(tmp_path / "x.png")
    assert pixels(tmp_path / "x.png").tolist() == [[list(BLACK), list(WHITE)]]


@pytest.mark.parametrize("suffix", ["tif", "jpg"])
def test_cmyk_is_converted(tmp_path, suffix):
    Image.new("CMYK", (8, 8), (0, 255, 255, 0)).save(tmp_path / f"x.{suffix}")
    assert np.abs(pixels(tmp_path / f"x.{suffix}").astype(int) - RED).max() <= 3


# EXIF orientation -> how the stored pixels must be turned to stand upright.
UPRIGHT = {
    1: lambda a: a,
    2: lambda a: a[:, ::-1],
    3: lambda a: a[::-1, ::-1],
    4: lambda a: a[::-1],
    5: lambda a: a.transpose(1, 0, 2),
    6: lambda a: np.rot90(a, -1),
    7: lambda a: a[::-1, ::-1].transpose(1, 0, 2),
    8: lambda a: np.rot90(a, 1),
}


@pytest.mark.parametrize("orientation", UPRIGHT)
def test_exif_rotation_is_applied(tmp_path, orientation):
    exif = Image.Exif()
    exif[0x0112] = orientation
    Image.fromarray(noise()).save(tmp_path / "x.png", exif=exif)
    assert np.array_equal(pixels(tmp_path / "x.png"), UPRIGHT[orientation](noise()))


# ---------------------------------------------------------------- size


@pytest.mark.parametrize(("width", "height"), [(24, 8), (8, 24)])
def test_longer_side_is_cropped_around_the_centre(width, height):
    wide = np.zeros((8, 24, 3), dtype=np.uint8)
    wide[:, :8], wide[:, 8:16], wide[:, 16:] = RED, GREEN, BLUE
    image = Image.fromarray(wide if width > height else wide.transpose(1, 0, 2))
    assert image.size == (width, height)
    assert np.array_equal(square(image, 8), np.full((8, 8, 3), GREEN))


def test_square_image_of_the_right_size_is_untouched():
    assert np.array_equal(square(Image.fromarray(noise(8, 8)), 8), noise(8, 8))


@pytest.mark.parametrize("side", [4, 32])
def test_flat_image_stays_flat_at_any_size(side):
    flat = np.full((10, 14, 3), (10, 200, 77), dtype=np.uint8)
    assert np.array_equal(square(Image.fromarray(flat), side), np.full((side, side, 3), (10, 200, 77)))
    assert np.array_equal(resized(flat[:, :10], side), np.full((side, side, 3), (10, 200, 77)))


def test_resizing_to_the_same_side_changes_nothing():
    assert np.array_equal(resized(noise(8, 8), 8), noise(8, 8))


SIZES = [
    *((300, 300), (500, 375), (375, 500), (259, 256), (1000, 131), (131, 1000), (40, 61), (61, 40), (3, 2), (224, 224)),
    *((256, 256), (255, 257), (257, 255), (225, 224), (224, 225), (640, 427), (427, 640), (333, 500), (1024, 768)),
]


@pytest.mark.parametrize("size", SIZES, ids=str)
@pytest.mark.parametrize("filter", ["bilinear", "bicubic"])
@pytest.mark.parametrize(
    ("side", "keep", "short"),
    [(224, 0.875, 256), (224, 1.0, 224), (256, 1.0, 256), (32, 1.0, 32), (32, 0.8, 40), (55, 0.7, 79)],
)
def test_test_images_are_torchvisions_to_the_bit(size, filter, side, keep, short):
    image = Image.fromarray(noise(size[1], size[0]))
    transform = Compose([Resize(short, InterpolationMode(filter)), CenterCrop(side)])
    assert np.array_equal(square(image, side, Fit("test", filter, keep)), np.asarray(transform(image)))


def test_torchvisions_own_default_is_the_papers_test_transform():
    """Resize without a word on the interpolation, as RDED's, D3HR's and CaO2's codes have it."""
    image = Image.fromarray(noise(375, 500))
    papers = Compose([Resize(224 // 7 * 8, antialias=True), CenterCrop(224)])
    assert np.array_equal(square(image, 224, Fit("test", "bilinear", 0.875)), np.asarray(papers(image)))


@pytest.mark.parametrize("size", [(500, 375), (375, 500), (300, 300), (40, 61)], ids=str)
@pytest.mark.parametrize("filter", ["bilinear", "bicubic", "lanczos"])
def test_a_squashed_image_is_resized_as_a_whole(size, filter):
    image = Image.fromarray(noise(size[1], size[0]))
    whole = Resize((64, 64), InterpolationMode(filter))(image)
    assert np.array_equal(square(image, 64, Fit("squash", filter)), np.asarray(whole))
    if size[0] != size[1]:
        assert not np.array_equal(square(image, 64, Fit("crop", filter)), np.asarray(whole))


# ---------------------------------------------------------------- damage


def encoded(image: Image.Image, kind: str, **options) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


PHOTO = Image.fromarray(noise(40, 30))


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "empty file"),
        (b"just words, not pixels", "cannot identify"),
        (b"%PDF-1.7", "it is a PDF; export its pages"),
        (b"PK\x03\x04...", "it is a ZIP archive; unpack it"),
        (b"\xff\x0a" + bytes(40), "it is JPEG XL; convert it"),
        (b"\x89PNG\r\n\x1a\n", ""),
        (encoded(PHOTO, "PNG")[:-800], "truncated"),
        (encoded(PHOTO, "JPEG")[:-300], "truncated"),
        (encoded(PHOTO, "TIFF")[:200], ""),
    ],
    ids=["empty", "text", "pdf", "zip", "jxl", "signature", "png", "jpeg", "tiff"],
)
def test_unreadable_file_is_named_with_the_reason(tmp_path, content, reason):
    path = tmp_path / "broken.png"
    path.write_bytes(content)
    with pytest.raises(BadImage) as caught:
        read_rgb(path)
    assert str(caught.value).startswith(f"{path}: ")
    assert reason in str(caught.value).removeprefix(f"{path}: ")
    assert len(str(caught.value)) > len(f"{path}: ")


@pytest.mark.parametrize("name", ["missing.png", "."])
def test_path_that_is_no_file_is_named(tmp_path, name):
    with pytest.raises(BadImage, match=str(tmp_path / name)):
        read_rgb(tmp_path / name)


@pytest.mark.parametrize("read", [read_rgb, header_size])
def test_an_image_that_vanished_since_it_was_listed_says_what_to_do(tmp_path, read):
    with pytest.raises(BadImage, match=r"gone\.png: this image is gone; put it back, or run again, and images are"):
        read(tmp_path / "gone.png")


def test_absurdly_large_image_is_refused_before_it_is_decoded(tmp_path, monkeypatch):
    path = tmp_path / "bomb.png"
    Image.new("L", (100, 100)).save(path)
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 1000)
    with pytest.raises(BadImage, match=r"bomb\.png: .*decompression bomb"):
        read_rgb(path)


EXIF = Image.Exif()
EXIF[0x0112], EXIF[0x0131] = 6, "x"  # orientation, software
WHOLE = {kind: encoded(PHOTO, kind, exif=EXIF.tobytes()) for kind in ("PNG", "JPEG", "WEBP", "TIFF")}
WHOLE |= {kind: encoded(PHOTO, kind) for kind in ("GIF", "BMP", "PPM")}


def test_odd_exif_data_spoils_neither_the_image_nor_its_rotation(tmp_path):
    raw = encoded(PHOTO, "WEBP", exif=EXIF.tobytes(), lossless=True)
    text_as_width = raw.replace(b"\x01\x31\x00\x02", b"\x01\x00\x00\x02")
    assert text_as_width != raw
    (tmp_path / "x.webp").write_bytes(text_as_width)
    assert np.array_equal(pixels(tmp_path / "x.webp"), np.rot90(np.asarray(PHOTO), -1))


def outcome(path) -> str:
    """ "image" or "bad"; any other error is this test's to fail on."""
    try:
        return "image" if read_rgb(path).mode == "RGB" else "wrong mode"
    except BadImage:
        return "bad"


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("kind", WHOLE)
def test_any_damage_gives_an_image_or_a_bad_image_and_nothing_else(tmp_path, kind):
    path, draw, outcomes = tmp_path / "x", random.Random(kind), set()
    for _ in range(100):
        damaged = bytearray(WHOLE[kind])
        for _ in range(draw.randint(1, 6)):
            damaged[draw.randrange(min(300, len(damaged)))] = draw.randrange(256)
        path.write_bytes(damaged)
        outcomes.add(outcome(path))
    assert outcomes <= {"image", "bad"}
    assert "bad" in outcomes


@pytest.mark.parametrize("dtype", [np.float32, np.int32])
def test_a_tiff_whose_white_is_unknown_is_refused(tmp_path, dtype):
    """In [0, 1] it would be black, beyond 255 white."""
    Image.fromarray(np.full((4, 4), 1, dtype=dtype)).save(tmp_path / "x.tiff")
    with pytest.raises(BadImage, match="32 bits a pixel"):
        read_rgb(tmp_path / "x.tiff")
