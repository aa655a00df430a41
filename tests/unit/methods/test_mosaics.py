"""Crops and mosaics against plain loops and, for the crops, against torchvision."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torchvision.transforms import RandomResizedCrop
from torchvision.transforms.functional import resized_crop

from retort.methods.mosaics import (
    best_crop_per_image,
    crop_losses,
    cut_crops,
    mosaic_cells,
    mosaic_ranks,
    padded,
    random_crop_boxes,
    ranked_by_loss,
    stitch,
    to_uint8_truncated,
)

AREA = (0.08, 1.0)


def image_of(seed, height, width):
    return torch.rand(3, height, width, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("size", [(48, 40), (40, 48), (10, 100), (100, 10), (1, 1), (3, 200)])
@pytest.mark.parametrize("area", [AREA, (0.5, 1.0), (1.0, 1.0)])
def test_a_generator_draws_the_boxes_that_torchvision_draws(size, area):
    """Long images at areas near 1 fall back; what is drawn after a fall-back shows whether its draws were counted."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(11)
        expected = [RandomResizedCrop.get_params(torch.empty(3, *size), area, (1.0, 1.0)) for _ in range(30)]
    boxes = random_crop_boxes(*size, 30, area, torch.Generator().manual_seed(11))
    assert boxes.dtype == np.int64
    np.testing.assert_array_equal(boxes, expected)


def test_boxes_leave_the_global_generator_alone():
    before = torch.get_rng_state()
    random_crop_boxes(20, 30, 5, AREA, torch.Generator().manual_seed(0))
    assert torch.equal(torch.get_rng_state(), before)


def test_no_boxes_have_the_shape_of_boxes():
    assert random_crop_boxes(20, 30, 0, AREA, torch.Generator()).shape == (0, 4)


@given(st.integers(1, 60), st.integers(1, 60), st.floats(0, 1), st.integers(0, 1000))
@settings(max_examples=60, deadline=None)
def test_boxes_are_squares_inside_the_image(height, width, least, seed):
    boxes = random_crop_boxes(height, width, 4, (least, 1.0), torch.Generator().manual_seed(seed))
    assert (boxes[:, 2] == boxes[:, 3]).all()
    assert (boxes[:, 2] > 0).all()
    assert (boxes[:, :2] >= 0).all()
    assert (boxes[:, :2] + boxes[:, 2:] <= (height, width)).all()


@pytest.mark.parametrize("side", [5, 16, 40])
def test_crops_equal_those_of_torchvision(side):
    image = image_of(0, 37, 45)
    boxes = np.array([[0, 0, 37, 45], [3, 5, 20, 20], [36, 44, 1, 1], [1, 2, 16, 16], [4, 0, 9, 31]])
    crops = cut_crops(image, boxes, side)
    assert crops.shape == (5, 3, side, side)
    for crop, box in zip(crops, boxes.tolist(), strict=True):
        torch.testing.assert_close(crop, resized_crop(image, *box, [side, side], antialias=True), rtol=0, atol=1e-6)


def test_a_crop_of_its_own_size_is_cut_out_exactly():
    image = image_of(1, 20, 20)
    torch.testing.assert_close(cut_crops(image, [[3, 4, 8, 8]], 8)[0], image[:, 3:11, 4:12], rtol=0, atol=0)


def test_no_crops_have_the_shape_of_crops():
    assert cut_crops(image_of(0, 8, 8), np.zeros((0, 4), dtype=np.int64), 5).shape == (0, 3, 5, 5)


@pytest.mark.parametrize(
    "box", [(-1, 0, 4, 4), (0, -1, 4, 4), (5, 0, 4, 4), (0, 7, 4, 4), (0, 0, 0, 4), (0, 0, 4, 0), (0, 0, 9, 4)]
)
def test_a_box_outside_the_image_is_an_error(box):
    with pytest.raises(ValueError, match=rf"top {box[0]}, left {box[1]}.* image of 8 x 10 pixels"):
        cut_crops(torch.zeros(3, 8, 10), [(0, 0, 8, 10), box], 4)


def test_padding_is_zero_and_an_odd_margin_is_smaller_at_the_top_and_left():
    crops = torch.ones(2, 3, 4, 7)
    result = padded(crops, 9)
    expected = torch.zeros(2, 3, 9, 9)
    expected[:, :, 2:6, 1:8] = 1
    torch.testing.assert_close(result, expected, rtol=0, atol=0)
    torch.testing.assert_close(padded(result, 9), result, rtol=0, atol=0)


def test_crops_larger_than_the_padding_are_an_error():
    with pytest.raises(ValueError, match="crops of 4 x 7 pixels do not fit into 6 x 6"):
        padded(torch.ones(1, 3, 4, 7), 6)


def test_losses_are_cross_entropy_of_each_label():
    logits = torch.randn(50, 7, generator=torch.Generator().manual_seed(0))
    labels = torch.arange(50) % 7
    expected = torch.nn.functional.cross_entropy(logits, labels, reduction="none")
    torch.testing.assert_close(crop_losses(logits, labels), expected, rtol=0, atol=1e-5)
    assert crop_losses(torch.tensor([[0.0, 500.0]]), torch.tensor([0])).tolist() == [torch.inf]


def test_half_precision_logits_are_scored_in_float32():
    logits = torch.tensor([[1.0, 2.5, -3.0]])
    losses = crop_losses(logits.half(), torch.tensor([2]))
    torch.testing.assert_close(losses, crop_losses(logits, torch.tensor([2])), rtol=0, atol=0)


def test_the_first_crop_of_lowest_loss_wins_and_nan_never_does():
    nan, inf = np.nan, np.inf
    losses = np.array([[2, nan, nan, nan, 1], [1, 5, inf, nan, 1], [1, 4, nan, nan, 0]])
    assert best_crop_per_image(losses).tolist() == [1, 2, 1, 0, 2]


def test_images_are_ranked_by_loss_with_equals_in_order_and_nan_last():
    assert ranked_by_loss(np.array([np.nan, 2, np.inf, 1, 2, np.nan, 1, -1])).tolist() == [7, 3, 6, 1, 4, 2, 0, 5]


@given(st.integers(1, 8), st.integers(8, 40))
def test_cells_fill_the_side_and_the_larger_come_first(factor, side):
    cells = mosaic_cells(factor, side)
    assert len(cells) == factor
    assert sum(cells) == side
    assert cells == sorted(cells, reverse=True)
    assert max(cells) - min(cells) <= 1


@pytest.mark.parametrize("factor", [0, 9])
def test_a_factor_that_leaves_no_cells_is_an_error(factor):
    with pytest.raises(ValueError, match=f"takes 1 to 8 patches a side, found {factor}"):
        mosaic_cells(factor, 8)


def nearest(patch, height, width):
    """Row i of the cell shows row floor(i * rows / height) of the patch."""
    rows = [i * patch.shape[1] // height for i in range(height)]
    columns = [j * patch.shape[2] // width for j in range(width)]
    return patch[:, rows][:, :, columns]


def stitched_by_loop(patches, images, factor, side, rank_of):
    edges = np.cumsum([0, *mosaic_cells(factor, side)])
    mosaics = patches.new_zeros(images, patches.shape[1], side, side)
    for image in range(images):
        for k in range(factor**2):
            (top, bottom), (left, right) = edges[k // factor :][:2], edges[k % factor :][:2]
            cell = nearest(patches[rank_of(image, k)], bottom - top, right - left)
            mosaics[image, :, top:bottom, left:right] = cell
    return mosaics


def patches_of(seed, count, height, width=None):
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(count, 3, height, width or height, generator=generator)


stitchings = st.tuples(
    st.integers(0, 4), st.integers(1, 4), st.integers(4, 21), st.integers(1, 12), st.integers(1, 12), st.integers(0, 3)
)


@given(stitchings)
@settings(max_examples=80, deadline=None)
def test_mosaics_equal_a_loop_over_images_and_cells(drawn):
    images, factor, side, height, width, spare = drawn
    patches = patches_of(0, images * factor**2 + spare, height, width)
    for fill, rank_of in (
        ("strided", lambda image, k: k * images + image),
        ("consecutive", lambda image, k: image * factor**2 + k),
    ):
        result = stitch(patches, images, factor, side, fill)
        expected = stitched_by_loop(patches, images, factor, side, rank_of)
        torch.testing.assert_close(result, expected, rtol=0, atol=0)


@given(st.integers(1, 6), st.integers(1, 3), st.data())
@settings(max_examples=50, deadline=None)
def test_consecutive_sets_begin_with_the_smaller_ones(images, factor, data):
    fewer = data.draw(st.integers(1, images))
    patches = patches_of(1, images * factor**2, 5)
    large = stitch(patches, images, factor, 11, "consecutive")
    small = stitch(patches[: fewer * factor**2], fewer, factor, 11, "consecutive")
    torch.testing.assert_close(large[:fewer], small, rtol=0, atol=0)


@pytest.mark.parametrize("fill", ["strided", "consecutive"])
def test_every_patch_is_used_once_whatever_the_fill(fill):
    ranks = mosaic_ranks(5, 3, fill)
    assert ranks.shape == (5, 9)
    assert sorted(ranks.flatten().tolist()) == list(range(45))


def test_strided_mosaics_share_out_the_best_patches():
    assert mosaic_ranks(3, 2, "strided")[:, 0].tolist() == [0, 1, 2]
    assert mosaic_ranks(3, 2, "consecutive")[:, 0].tolist() == [0, 4, 8]


def test_an_unknown_fill_is_an_error():
    with pytest.raises(ValueError, match='fill must be "strided" or "consecutive", found \'random\''):
        stitch(patches_of(0, 4, 3), 1, 2, 8, "random")


def test_pixels_can_be_stitched_as_they_are():
    pixels = (patches_of(2, 8, 5) * 50 + 128).clamp(0, 255).to(torch.uint8)
    result = stitch(pixels, 2, 2, 11, "strided")
    assert result.dtype == torch.uint8
    expected = stitch(pixels.double(), 2, 2, 11, "strided")
    torch.testing.assert_close(result.double(), expected, rtol=0, atol=0)


@pytest.mark.parametrize("fill", ["strided", "consecutive"])
def test_too_few_patches_are_an_error_naming_both_numbers(fill):
    with pytest.raises(ValueError, match="2 mosaics of 2 x 2 need 8 patches, found 7"):
        stitch(patches_of(0, 7, 3), 2, 2, 8, fill)


def test_fractions_of_a_grey_level_are_cut_off():
    levels = torch.tensor([0.0, 0.99, 1.0, 1.5, 127.999, 254.9, 255.0]) / 255
    pixels = to_uint8_truncated(levels.expand(1, 3, 1, -1))
    assert pixels.dtype == np.uint8
    assert pixels.shape == (1, 1, 7, 3)
    assert pixels[0, 0, :, 0].tolist() == [0, 0, 1, 1, 127, 254, 255]


def test_whole_grey_levels_stay_themselves():
    levels = torch.arange(256, dtype=torch.uint8)
    images = (levels.float() / 255).expand(1, 3, 1, -1)
    np.testing.assert_array_equal(to_uint8_truncated(images)[0, 0, :, 1], levels.numpy())


def test_channels_come_last_and_values_outside_are_clamped():
    images = torch.tensor([-0.5, 0.5, 1.5, float("inf")]).view(4, 1, 1, 1) * torch.ones(4, 3, 2, 2)
    images[1, 2] = 0.25
    pixels = to_uint8_truncated(images)
    assert pixels.shape == (4, 2, 2, 3)
    assert pixels[:, 0, 0, 0].tolist() == [0, 127, 255, 255]
    assert pixels[1, 1, 1].tolist() == [127, 127, 63]


def test_nan_is_no_pixel():
    with pytest.raises(ValueError, match="NaN"):
        to_uint8_truncated(torch.full((1, 3, 2, 2), float("nan")))
