"""Exactly as many distinct representatives as asked for, whatever the cloud; the branches one by one."""

import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from retort.methods import completion
from retort.methods.completion import FILLED, FOUND, NOISE, SPLIT, representatives
from retort.methods.density import Clusters, cluster

DENSITY = {"min_cluster_size": 5, "min_samples": 3}


def normal(seed, *shape):
    return np.random.default_rng(seed).standard_normal(shape).astype(np.float32)


def blobs(seed, sizes, dims=3, apart=10.0):
    """Points around one random centre for each size."""
    return normal(seed, len(sizes), dims)[np.repeat(np.arange(len(sizes)), sizes)] * apart + normal(
        seed + 1, sum(sizes), dims
    )


def labelled(*labels):
    """Clusters of full membership."""
    labels = np.array(labels)
    return Clusters(labels, (labels >= 0).astype(float))


def assert_complete(result, n, count):
    """`count` distinct rows of n, each in the cluster that it stands for; sizes and origins to match."""
    assert result.rows.dtype == result.sizes.dtype == result.assignment.dtype == np.int64
    assert result.rows.shape == result.sizes.shape == (count,)
    assert len(set(result.rows.tolist())) == count
    assert 0 <= result.rows.min() <= result.rows.max() < n
    assert result.assignment.shape == (n,)
    np.testing.assert_array_equal(result.assignment[result.rows], np.arange(count))
    np.testing.assert_array_equal(result.sizes, [(result.assignment == i).sum() for i in range(count)])
    assert len(result.origins) == count
    assert set(result.origins) <= {FOUND, SPLIT, NOISE, FILLED}


KINDS = {
    "blobs": lambda seed, n: blobs(seed, [n - 2 * (n // 3), n // 3, n // 3]),
    "one blob": lambda seed, n: blobs(seed, [n]),
    "uniform": lambda seed, n: np.random.default_rng(seed).uniform(-1, 1, (n, 2)).astype(np.float32),
    "all the same": lambda seed, n: np.zeros((n, 4), dtype=np.float32),
    "few points": lambda seed, n: normal(seed, 4, 2)[np.arange(n) % 4],
    "half the same": lambda seed, n: np.concatenate([normal(seed, n - n // 2, 3), np.ones((n // 2, 3), np.float32)]),
    "a line": lambda seed, n: np.arange(n, dtype=np.float32)[:, None],
    "float64": lambda seed, n: blobs(seed, [n - n // 2, n // 2]).astype(np.float64),
}


@st.composite
def tasks(draw):
    """A cloud, how many representatives of it, and the settings."""
    n = draw(st.integers(1, 70))
    embedding = KINDS[draw(st.sampled_from(sorted(KINDS)))](draw(st.integers(0, 10**6)), n)
    settings_of_hdbscan = {"min_cluster_size": draw(st.integers(2, 9)), "min_samples": draw(st.integers(1, 4))}
    return embedding, draw(st.integers(1, n)), settings_of_hdbscan


@given(task=tasks(), seed_candidates=st.integers(2, 4))
@settings(max_examples=60, deadline=None)
def test_any_cloud_gives_exactly_the_number_asked_for_and_no_warning(task, seed_candidates):
    embedding, count, density = task
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = cluster(embedding, **density)
        result = representatives(embedding, found, count, seed_candidates=seed_candidates, **density)
    assert_complete(result, len(embedding), count)


@given(task=tasks(), data=st.data())
@settings(max_examples=60, deadline=None)
def test_any_labels_give_exactly_the_number_asked_for(task, data):
    """Not only labels that HDBSCAN would give: all noise, all one cluster, clusters of one, gaps in the numbers."""
    embedding, count, density = task
    n = len(embedding)
    kinds = [st.just(-1), st.just(0), st.integers(-1, 2), st.integers(-1, 20)]
    kind = data.draw(st.sampled_from(kinds))
    labels = data.draw(st.lists(kind, min_size=n, max_size=n))
    result = representatives(embedding, labelled(*labels), count, **density)
    assert_complete(result, n, count)


@given(task=tasks())
@settings(max_examples=10, deadline=None)
def test_the_same_input_gives_the_same_representatives(task):
    embedding, count, density = task
    found = cluster(embedding, **density)
    first, again = (representatives(embedding, found, count, **density) for _ in range(2))
    np.testing.assert_array_equal(first.rows, again.rows)
    np.testing.assert_array_equal(first.assignment, again.assignment)


def test_of_too_many_clusters_the_largest_stay_and_the_first_of_equals():
    labels = [0] * 2 + [1] * 4 + [2] * 3 + [3] * 4 + [-1] * 5 + [4] * 3
    result = representatives(normal(0, len(labels), 2), labelled(*labels), 3, **DENSITY)
    assert result.rows.tolist() == [2, 9, 6]
    assert result.sizes.tolist() == [4, 4, 3]
    assert result.origins == [FOUND] * 3


def test_a_cluster_is_represented_by_its_likeliest_member_and_the_lowest_of_equals():
    labels, probabilities = np.array([1, 0, 0, 1, 0, 1]), np.array([0.5, 0.9, 1.0, 0.7, 1.0, 0.7])
    result = representatives(normal(0, 6, 2), Clusters(labels, probabilities), 2, **DENSITY)
    assert result.rows.tolist() == [2, 3]
    assert result.assignment.tolist() == labels.tolist()


def test_the_largest_splittable_cluster_is_split_and_its_children_come_last():
    """Four blobs, labelled as two clusters: 0 is the pair of the larger ones, 1 the pair of the smaller."""
    embedding = np.concatenate([blobs(1, [12, 14], apart=30.0), blobs(5, [9, 8], apart=30.0) + 200])
    clusters = labelled(*[0] * 26 + [1] * 17)
    three = representatives(embedding, clusters, 3, **DENSITY)
    assert three.origins == [FOUND, SPLIT, SPLIT]
    assert three.rows[0] == 26
    assert sorted(three.sizes.tolist()) == [12, 14, 17]
    four = representatives(embedding, clusters, 4, **DENSITY)
    assert four.origins == [SPLIT] * 4
    assert sorted(four.sizes[:2].tolist()) == [12, 14]
    assert sorted(four.sizes[2:].tolist()) == [8, 9]
    for result in (three, four):
        for row, position in zip(result.rows[-2:], range(len(result.rows) - 2, len(result.rows)), strict=True):
            members = np.flatnonzero(result.assignment == position)
            centre = embedding[members].mean(axis=0)
            assert row == members[np.linalg.norm(embedding[members] - centre, axis=1).argmin()]


def test_a_split_starts_from_the_pair_of_seeds_that_ends_with_the_least_inertia():
    """Three blobs in a triangle, where each way to join two of them is a local optimum of 2-means.

    From the two largest, the third joins the first; best is to leave the third alone.
    """
    corners = np.array([[0, 0], [10, 0], [3.75, 11.4]], dtype=np.float32)
    sizes = [20, 18, 16]
    embedding = np.repeat(corners, sizes, axis=0) + 0.3 * normal(2, 54, 2)
    one = labelled(*[0] * 54)
    assert representatives(embedding, one, 2, seed_candidates=2, **DENSITY).sizes.tolist() == [36, 18]
    assert representatives(embedding, one, 2, **DENSITY).sizes.tolist() == [38, 16]


def noise_and_one_cluster(count, noise):
    """One cluster that no split divides, and so much noise."""
    embedding = np.concatenate([np.zeros((12, 3), np.float32), normal(count, noise, 3) * 20 + 50])
    return embedding, labelled(*[0] * 12 + [-1] * noise)


@pytest.mark.parametrize(("count", "each"), [(2, 5), (10, 5), (11, 3), (50, 3), (51, 1), (60, 1)])
def test_noise_serves_where_there_is_enough_of_it_and_not_with_one_point_less(count, each):
    enough = (count - 1) * each
    result = representatives(*noise_and_one_cluster(count, enough), count, **DENSITY)
    assert result.origins == [FOUND] + [NOISE] * (count - 1)
    assert result.sizes[1:].sum() == enough
    if 12 + enough - 1 >= count:
        result = representatives(*noise_and_one_cluster(count, enough - 1), count, **DENSITY)
        assert NOISE not in result.origins


def test_copies_among_the_noise_give_fewer_centres_and_the_rest_is_filled():
    embedding, clusters = noise_and_one_cluster(5, 30)
    embedding[12:] = embedding[[12, 13]][np.arange(30) % 2]
    result = representatives(embedding, clusters, 5, **DENSITY)
    assert result.origins == [FOUND, NOISE, NOISE, FILLED, FILLED]
    assert_complete(result, len(embedding), 5)


def test_the_smallest_cluster_allowed_shrinks_by_a_quarter_down_to_two():
    assert completion._shrinking(20) == [15, 11, 8, 6, 4, 3, 2]
    assert completion._shrinking(5) == [3, 2]
    assert completion._shrinking(3) == [2]
    assert completion._shrinking(2) == []


def test_forced_splits_divide_what_is_too_small_to_split_otherwise():
    """Two blobs of 6 in a cluster of 12: with clusters of at least 10 only force divides it."""
    embedding = blobs(6, [6, 6], apart=40.0)
    result = representatives(embedding, labelled(*[0] * 12), 2, min_cluster_size=10, min_samples=3)
    assert result.origins == [SPLIT, SPLIT]
    assert result.sizes.tolist() == [6, 6]
    result = representatives(embedding, labelled(*[0] * 12), 2, min_cluster_size=13, min_samples=3)
    assert result.origins == [FOUND, FILLED], "the reference forces no cluster below min_cluster_size"


def test_what_is_missing_in_the_end_is_filled_with_the_rows_farthest_from_those_chosen():
    """The cluster is too small even for a forced split, and the last row is a copy of another that is chosen."""
    embedding = np.array([[0], [1], [2], [10], [6], [10]], dtype=np.float32)
    result = representatives(embedding, labelled(0, 0, 0, 0, -1, -1), 4, **DENSITY)
    assert result.rows.tolist() == [0, 3, 4, 2]
    assert result.origins == [FOUND] + [FILLED] * 3
    assert result.sizes.tolist() == [2, 1, 1, 1], "a row that stands alone has left its cluster"
    assert result.assignment.tolist() == [0, 0, 3, 1, 2, -1]


def test_noise_alone_but_too_little_is_filled_from_its_middle_outwards():
    embedding = np.array([[0], [5], [6], [12]], dtype=np.float32)
    result = representatives(embedding, labelled(-1, -1, -1, -1), 3, **DENSITY)
    assert result.rows.tolist() == [2, 0, 3]
    assert result.sizes.tolist() == [1, 1, 1]
    assert result.assignment.tolist() == [1, -1, 0, 2]


def test_all_rows_can_be_asked_for():
    embedding = np.zeros((7, 2), dtype=np.float32)
    result = representatives(embedding, labelled(*[-1] * 7), 7, **DENSITY)
    assert sorted(result.rows.tolist()) == list(range(7))


def test_impossible_requests_are_refused():
    embedding, clusters = normal(0, 6, 2), labelled(0, 0, 0, 1, 1, -1)
    with pytest.raises(ValueError, match="7 distinct representatives need as many images, and the class has 6"):
        representatives(embedding, clusters, 7, **DENSITY)
    with pytest.raises(ValueError, match="at least 1, found 0"):
        representatives(embedding, clusters, 0, **DENSITY)
    with pytest.raises(ValueError, match="at least 2 seed candidates, found 1"):
        representatives(embedding, clusters, 2, seed_candidates=1, **DENSITY)
    with pytest.raises(ValueError, match=r"must have shape \(5,\)"):
        representatives(embedding[1:], clusters, 2, **DENSITY)
    with pytest.raises(ValueError, match="probabilities must be finite"):
        representatives(embedding, Clusters(clusters.labels, np.full(6, np.nan)), 2, **DENSITY)
    for value in (np.nan, np.inf):
        broken = embedding.copy()
        broken[3, 1] = value
        with pytest.raises(ValueError, match="NaN or infinity in 1 of 6 rows"):
            representatives(broken, clusters, 2, **DENSITY)
