"""Running mean and variance against numpy's, which see all items at once."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from retort.methods.moments import RunningMoments


def running(items, sizes):
    moments = RunningMoments(items.shape[1:])
    assert sum(sizes) == len(items)
    for chunk in np.split(items, np.cumsum(sizes)[:-1]):
        moments.add(chunk)
    return moments


def assert_numpy_agrees(moments, items):
    items = items.astype(np.float64)
    assert moments.count == len(items)
    assert moments.mean.shape == moments.variance.shape == items.shape[1:]
    np.testing.assert_allclose(moments.mean, items.mean(axis=0), rtol=1e-12, atol=1e-12)
    np.testing.assert_allclose(moments.variance, items.var(axis=0, ddof=1), rtol=1e-12, atol=1e-12)


CHUNKINGS = st.lists(st.integers(1, 20), min_size=1, max_size=12).filter(lambda sizes: sum(sizes) > 1)


@given(sizes=CHUNKINGS, seed=st.integers(0, 99))
@settings(deadline=None)
def test_any_chunking_gives_what_numpy_gives_for_all_at_once(sizes, seed):
    items = np.random.default_rng(seed).normal(3, 2, (sum(sizes), 2, 3))
    assert_numpy_agrees(running(items, sizes), items)


@given(st.permutations(range(12)))
@settings(deadline=None)
def test_the_order_of_the_items_does_not_matter(order):
    items = np.random.default_rng(0).standard_normal((12, 4))
    assert_numpy_agrees(running(items[list(order)], [5, 1, 6]), items)


def test_float32_items_are_accumulated_in_float64():
    items = np.random.default_rng(1).normal(5, 1, (3000, 3)).astype(np.float32)
    moments = running(items, [1000] * 3)
    assert moments.mean.dtype == moments.variance.dtype == np.float64
    assert_numpy_agrees(moments, items)


def test_a_mean_far_from_zero_costs_no_precision():
    """Where a sum of squares minus the square of a sum would leave nothing: the spread is 1e-8 of the mean."""
    spread = np.random.default_rng(2).integers(-1024, 1025, (400, 3)) / 1024
    moments = running(spread + 2.0**27, [7] * 57 + [1])
    np.testing.assert_allclose(moments.variance, spread.var(axis=0, ddof=1), rtol=1e-6)


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_items_that_are_not_finite_are_refused_and_leave_no_trace(bad):
    items = np.random.default_rng(3).standard_normal((6, 4))
    moments = running(items, [4, 2])
    broken = items.copy()
    broken[3, 2] = bad
    with pytest.raises(ValueError, match="not finite"):
        moments.add(broken)
    assert_numpy_agrees(moments, items)


@pytest.mark.parametrize("count", [0, 1])
def test_a_variance_of_fewer_than_two_items_is_refused(count):
    moments = RunningMoments((3,))
    if count:
        moments.add(np.ones((count, 3)))
    with pytest.raises(ValueError, match=f"two items, found {count}"):
        _ = moments.variance


def test_reading_the_statistics_changes_nothing():
    items = np.random.default_rng(4).standard_normal((10, 2))
    moments = running(items[:6], [6])
    first = moments.variance.copy()
    np.testing.assert_array_equal(moments.variance, first)
    moments.add(items[6:])
    assert_numpy_agrees(moments, items)
