"""The distance of a stream from normal, against scipy's moments and distributions of known shape."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import kurtosis, skew

from retort.methods.moments import RunningMoments
from retort.methods.normality import RunningNormality

CHUNKINGS = st.lists(st.integers(1, 20), min_size=1, max_size=12).filter(lambda sizes: sum(sizes) > 3)


def running(items: np.ndarray, sizes: list[int], kind: type = RunningNormality) -> RunningNormality:
    moments = kind(items.shape[1:])
    for chunk in np.split(items, np.cumsum(sizes)[:-1]):
        moments.add(chunk)
    return moments


def by_scipy(items: np.ndarray) -> float:
    """Without what is expected by chance."""
    return float(np.mean(skew(items) ** 2 / 12 + kurtosis(items) ** 2 / 48))


@given(sizes=CHUNKINGS, seed=st.integers(0, 99), shift=st.sampled_from([0.0, 1e3]))
@settings(deadline=None)
def test_any_chunking_gives_what_scipy_gives_for_all_at_once(sizes, seed, shift):
    items = shift + np.random.default_rng(seed).gamma(2.0, size=(sum(sizes), 2, 3))
    found, whole = running(items, sizes), running(items, [sum(sizes)])
    chance = by_scipy(items) - whole.negentropy
    assert found.negentropy == pytest.approx(whole.negentropy, rel=1e-6, abs=1e-8)
    assert 0 < chance < 1


@given(sizes=CHUNKINGS, seed=st.integers(0, 99))
@settings(deadline=None)
def test_mean_and_variance_are_to_the_bit_those_without_it(sizes, seed):
    items = np.random.default_rng(seed).standard_normal((sum(sizes), 5))
    found, plain = running(items, sizes), running(items, sizes, RunningMoments)
    assert np.array_equal(found.mean, plain.mean)
    assert np.array_equal(found.variance, plain.variance)


@pytest.mark.parametrize("n", [5, 20, 100])
def test_normal_items_show_nothing_on_average_however_few_they_are(n):
    items = np.random.default_rng(n).standard_normal((n, 200_000))
    assert running(items, [n]).negentropy == pytest.approx(0, abs=0.03 / n)
    assert by_scipy(items) > 0.2 / n  # which is chance


@pytest.mark.parametrize(
    ("draw", "skewness", "excess"),
    [
        (lambda rng, size: rng.exponential(size=size), 2, 6),
        (lambda rng, size: rng.uniform(size=size), 0, -1.2),
        (lambda rng, size: rng.choice([-1.0, 1.0], size=size), 0, -2),
    ],
    ids=["exponential", "uniform", "two points"],
)
def test_known_shapes_have_their_negentropy(draw, skewness, excess):
    items = draw(np.random.default_rng(0), (200_000, 4))
    expected = skewness**2 / 12 + excess**2 / 48
    assert running(items, [50_000] * 4).negentropy == pytest.approx(expected, rel=0.1)


def test_scale_and_place_of_a_coordinate_do_not_matter():
    items = np.random.default_rng(0).exponential(size=(500, 3))
    moved = items * [1e-3, 1, 1e3] + [5, -7, 1e4]
    assert running(moved, [500]).negentropy == pytest.approx(running(items, [500]).negentropy, rel=1e-6)


def test_coordinates_that_do_not_vary_count_nothing():
    items = np.random.default_rng(0).exponential(size=(50, 2))
    with_constant = np.concatenate([items, np.ones((50, 3))], axis=1)
    assert running(with_constant, [50]).negentropy == running(items, [50]).negentropy
    assert running(np.ones((50, 3)), [50]).negentropy == math.inf


def test_what_is_not_finite_and_too_few_items_are_refused():
    moments = RunningNormality((2,))
    moments.add(np.zeros((0, 2)))
    with pytest.raises(ValueError, match="not finite"):
        moments.add(np.array([[1.0, np.nan]]))
    moments.add(np.ones((1, 2)))
    with pytest.raises(ValueError, match="at least two items, found 1"):
        moments.negentropy  # noqa: B018
    moments.add(np.array([[2.0, 3.0]]))
    assert moments.count == 2
    assert np.isfinite(moments.negentropy)
