"""Greedy k-centre: by hand, within its bound, and the same whatever the order of the rows."""

from itertools import combinations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from retort.parts.resolve import part_of
from retort.parts.selections import Seen

K_CENTRE = part_of("coverages", "k-centre")

any_value = st.one_of(
    st.sampled_from([0.0, 1.0, -1.0, 1e308, -1e308, 5e-324, 0.1]),
    st.floats(allow_nan=False, allow_infinity=False),
    st.floats(-10, 10),
)


def covered(features, count: int, seed: int = 0) -> list[int]:
    return list(map(int, K_CENTRE.cover(np.asarray(features), count, seed)))


def radius(features: np.ndarray, chosen) -> float:
    """The farthest distance of a row to its nearest chosen one."""
    return np.linalg.norm(features[:, None] - features[list(chosen)], axis=2).min(axis=1).max()


def normal(seed: int, *shape: int) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal(shape)


def test_a_line_by_hand():
    """The mean of these is 4, nearest to row 2; then the farthest is 16, then 0, then 7, which is 3 from 4."""
    line = np.array([[0.0], [1.0], [4.0], [16.0], [-4.0], [7.0]])
    assert line.mean() == 4
    assert covered(line, 6) == [2, 3, 4, 0, 5, 1]


def test_a_square_by_hand():
    """Of corners at one distance the first is taken, then the opposite one, which is farther than its neighbours."""
    square = np.array([[1.0, 1.0], [1.0, -1.0], [0.0, 0.0], [-1.0, -1.0], [-1.0, 1.0]])
    assert covered(square, 5) == [2, 0, 1, 3, 4]
    assert covered(square[[0, 1, 3, 4]], 4) == [0, 2, 1, 3]


@given(hnp.arrays(np.float64, st.tuples(st.integers(1, 12), st.integers(1, 4)), elements=any_value), st.data())
@settings(max_examples=150, deadline=None)
def test_rows_are_distinct_and_fewer_are_the_beginning_of_more_whatever_the_features(features, data):
    rows = hnp.arrays(np.int64, st.integers(1, 20), elements=st.integers(0, len(features) - 1))
    features = features[data.draw(rows)]  # often repeat
    with np.errstate(all="raise", under="ignore"):
        whole = covered(features, len(features))
    assert sorted(whole) == list(range(len(features)))
    count = data.draw(st.integers(0, len(features)))
    assert covered(features, count) == whole[:count]


def test_equal_rows_are_taken_last_and_in_their_order():
    features = normal(0, 4, 5)[[0, 1, 2, 3, 0, 1, 2, 3, 0]]
    order = covered(features, 9)
    assert sorted(order[:4]) == [0, 1, 2, 3]
    assert order[4:] == [4, 5, 6, 7, 8]


@pytest.mark.parametrize("seed", range(40))
def test_the_radius_is_at_most_twice_the_least_possible(seed):
    rng = np.random.default_rng(seed)
    features = rng.standard_normal((int(rng.integers(5, 10)), int(rng.integers(1, 4)))) ** 3
    for count in range(1, 5):
        least = min(radius(features, centres) for centres in combinations(range(len(features)), count))
        assert radius(features, covered(features, count)) <= 2 * least * (1 + 1e-9)


def test_the_bound_is_needed_and_kept_where_the_mean_lies_between_two_clusters():
    """Two clusters and a row between them, which is taken first: a radius of nearly twice the least possible."""
    features = np.array([[-1.0], [-1.0], [0.0], [1.0], [1.0]])
    assert covered(features, 1) == [2]
    assert radius(features, covered(features, 2)) == 1.0
    assert radius(features, covered(features, 3)) == 0.0


@pytest.mark.parametrize("seed", range(5))
def test_the_rows_that_are_chosen_do_not_depend_on_their_order(seed):
    features, turn = normal(seed, 60, 5), np.random.default_rng(seed).permutation(60)
    assert turn[covered(features[turn], 25)].tolist() == covered(features, 25)


@pytest.mark.parametrize("seed", range(5))
def test_ties_change_which_of_equal_rows_is_taken_and_nothing_else(seed):
    features = normal(seed, 20, 4)[np.resize(np.arange(20), 60)]
    turned = features[turn := np.random.default_rng(seed).permutation(60)]
    np.testing.assert_array_equal(turned[covered(turned, 20)], features[covered(features, 20)])
    assert sorted(turn[covered(turned, 60)]) == list(range(60))


@pytest.mark.parametrize("shift", [0.0, 1e6])
@pytest.mark.parametrize("scale", [1e-30, 1.0, 1e150])
def test_it_does_not_matter_where_and_how_large_the_features_are(shift, scale):
    features = np.round(normal(5, 60, 5) * 2**20) / 2**20
    assert covered((features + shift) * scale, 12) == covered(features, 12)


def test_no_seed_is_needed_and_float32_is_computed_in_float64():
    features = (normal(3, 200, 16) + 1000).astype(np.float32)
    assert covered(features, 30, 1) == covered(features, 30, 2) == covered(features.astype(np.float64), 30)


def test_no_row_is_far_from_all_where_herding_leaves_some_far():
    features = np.concatenate([normal(1, 300, 6), normal(2, 3, 6) + 20 * np.eye(6)[:3]])
    by_mean = part_of("coverages", "herding").cover(features, 10, 0)
    assert set(covered(features, 10)) > {300, 301, 302}
    assert radius(features, covered(features, 10)) < 0.5 * radius(features, by_mean)


def test_a_class_of_wide_features_is_covered_as_its_rotation_is():
    """What selections make of features with more numbers than rows; every distance stays."""
    features = normal(4, 12, 300).astype(np.float32)
    select = part_of("selections", {"coverage": "k-centre", "encoder": "vae"})
    assert select.choose(Seen(features, None, 0), 6, 0).members == covered(features, 6)


@pytest.mark.parametrize(
    ("features", "count", "said"),
    [
        (np.zeros((6, 3)), 7, "7 rows cannot be chosen from 6"),
        (np.full((6, 3), np.nan), 2, "features of 6 rows are not finite, the first of them row 0"),
        (np.zeros(6), 2, r"features must be \(rows, dimensions\), found \(6,\)"),
    ],
)
def test_what_cannot_be_covered_is_an_error(features, count, said):
    with pytest.raises(ValueError, match=said):
        covered(features, count)
