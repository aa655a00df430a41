"""Windows of typicality maps against the steps as they are told: upsample, average every window, choose greedily."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from torch.nn import functional as F

from retort.methods.windows import Windows, best_windows, class_windows, top_windows, window_means


def means_by_pooling(maps, size, window):
    upsampled = F.interpolate(maps[:, None].double(), size, mode="bilinear", align_corners=False)
    return F.avg_pool2d(upsampled, window, stride=1)[:, 0]


def random_maps(seed, *shape):
    return torch.from_numpy(np.random.default_rng(seed).standard_normal(shape)).float()


@pytest.mark.parametrize(
    ("cells", "size", "window"),
    [
        ((4, 4), (16, 16), (8, 8)),
        ((3, 5), (24, 40), (7, 16)),
        ((6, 4), (20, 30), (1, 1)),
        ((5, 5), (5, 5), (5, 2)),
        ((8, 8), (4, 6), (2, 3)),
        ((4, 3), (9, 7), (9, 7)),
    ],
)
def test_window_means_equal_upsampling_then_pooling(cells, size, window):
    maps = random_maps(0, 3, *cells)
    means = window_means(maps, size, window)
    assert means.shape == (3, size[0] - window[0] + 1, size[1] - window[1] + 1)
    assert means.dtype == torch.float32
    torch.testing.assert_close(means.double(), means_by_pooling(maps, size, window), rtol=0, atol=1e-6)


def test_a_constant_map_has_one_score_everywhere():
    scores = window_means(torch.full((1, 4, 6), 0.1), (32, 48), (8, 8))
    assert scores.unique().tolist() == pytest.approx([0.1])
    assert best_windows(scores, (8, 8), 1).boxes.tolist() == [[0, 0, 8, 8]]


@pytest.mark.parametrize("window", [(17, 4), (4, 17), (0, 4), (4, 0)])
def test_a_window_that_does_not_fit_is_an_error(window):
    with pytest.raises(ValueError, match=rf"window of {window[0]} x {window[1]} pixels does not fit into 16 x 16"):
        window_means(torch.zeros(1, 4, 4), (16, 16), window)


def chosen_by_sorting(scores, window, per_image):
    """Reference of the reference: sort all positions, keep those that are clear of every one kept before."""
    height, width = window
    places = sorted(np.ndindex(scores.shape), key=lambda p: -scores[p])
    kept = []
    for top, left in places:
        if len(kept) < per_image and all(abs(top - t) > height or abs(left - le) > width for t, le in kept):
            kept.append((top, left))
    return kept


maps_and_windows = st.tuples(
    hnp.arrays(
        np.float32,
        st.tuples(st.integers(1, 3), st.integers(1, 12), st.integers(1, 12)),
        elements=st.floats(-4, 4, width=16),
    ),
    st.tuples(st.integers(1, 5), st.integers(1, 5)),
    st.integers(1, 6),
)


@given(maps_and_windows)
@settings(max_examples=150, deadline=None)
def test_windows_are_those_of_sorting_all_positions(drawn):
    scores, window, per_image = drawn
    windows = best_windows(scores, window, per_image)
    expected = [(i, *place) for i, s in enumerate(scores) for place in chosen_by_sorting(s, window, per_image)]
    assert [(i, *box[:2]) for i, box in zip(windows.image, windows.boxes.tolist(), strict=True)] == expected
    np.testing.assert_array_equal(windows.value, [scores[place] for place in expected])


@given(maps_and_windows)
@settings(max_examples=100, deadline=None)
def test_windows_lie_in_the_image_and_neither_overlap_nor_touch(drawn):
    scores, (height, width), per_image = drawn
    windows = best_windows(scores, (height, width), per_image)
    assert (windows.boxes[:, 2:] == (height, width)).all()
    assert (windows.boxes[:, :2] >= 0).all()
    image_size = scores.shape[1] + height - 1, scores.shape[2] + width - 1
    assert (windows.boxes[:, :2] + windows.boxes[:, 2:] <= image_size).all()
    for image in range(len(scores)):
        boxes = windows.boxes[windows.image == image]
        assert 1 <= len(boxes) <= per_image
        tops, lefts = boxes[:, 0], boxes[:, 1]
        clear = (abs(tops[:, None] - tops) > height) | (abs(lefts[:, None] - lefts) > width)
        assert clear[~np.eye(len(boxes), dtype=bool)].all()
        assert (np.diff(windows.value[windows.image == image]) <= 0).all()


def test_scores_are_left_as_they_were():
    scores = random_maps(1, 2, 9, 9)
    before = scores.clone()
    best_windows(scores, (2, 2), 3)
    torch.testing.assert_close(scores, before, rtol=0, atol=0)


def test_an_image_without_room_gives_fewer_windows():
    windows = best_windows(np.zeros((2, 5, 12), dtype=np.float32), (5, 5), 4)
    assert windows.image.tolist() == [0, 0, 1, 1]
    assert windows.boxes[:2].tolist() == [[0, 0, 5, 5], [0, 6, 5, 5]]


def test_no_images_give_no_windows():
    windows = best_windows(np.zeros((0, 5, 5)), (5, 5), 4)
    assert len(windows) == 0
    assert windows.boxes.shape == (0, 4)
    assert windows.boxes.dtype == windows.image.dtype == np.int64


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_scores_that_are_not_finite_are_an_error_naming_the_image(value):
    scores = np.zeros((3, 4, 4), dtype=np.float32)
    scores[1, 2, 2] = value
    with pytest.raises(ValueError, match=r"images \[1\] are not finite"):
        best_windows(scores, (2, 2), 1)


def test_scores_of_one_image_need_their_first_dimension():
    with pytest.raises(ValueError, match=r"scores must be \(images, rows, columns\), found \(4, 4\)"):
        best_windows(np.zeros((4, 4)), (2, 2), 1)


@pytest.mark.parametrize("images_per_batch", [1, 2, 3, 7, 64])
def test_windows_of_a_class_do_not_depend_on_the_batch(images_per_batch):
    maps = random_maps(2, 7, 4, 6)
    whole = best_windows(window_means(maps, (32, 48), (12, 8)), (12, 8), 3)
    windows = class_windows(maps, (32, 48), (12, 8), 3, images_per_batch)
    for name in ("image", "boxes", "value"):
        np.testing.assert_array_equal(getattr(windows, name), getattr(whole, name))
    assert set(windows.image.tolist()) == set(range(7))


def test_the_top_windows_are_the_highest_over_all_images_and_equals_keep_their_order():
    value = np.float32([1, 3, 2, 3, 0, 2])
    windows = Windows(np.arange(6), np.arange(24).reshape(6, 4), value)
    top = top_windows(windows, 4)
    assert top.image.tolist() == [1, 3, 2, 5]
    np.testing.assert_array_equal(top.boxes, windows.boxes[[1, 3, 2, 5]])
    assert top.value.tolist() == [3, 3, 2, 2]
    assert top_windows(windows, 100).image.tolist() == [1, 3, 2, 5, 0, 4]
    assert len(top_windows(windows, 0)) == 0
