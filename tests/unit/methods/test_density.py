"""Clusters of points: what HDBSCAN finds, and that no order of equal edges changes it."""

import warnings
from itertools import product

import numpy as np
import pytest
from hdbscan import HDBSCAN
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import adjusted_rand_score
from tests.helpers.clouds import blobs, normal

from retort.methods import density
from retort.methods.density import Clusters, cluster

DENSITY = {"min_cluster_size": 5, "min_samples": 3}


def lattice(side, *corner):
    """The points (side ** d, d) of a lattice with steps of 1 and this lowest corner: hardly two distances differ."""
    return np.array(list(product(range(side), repeat=len(corner))), dtype=np.float64) + corner


def noisy(seed, n=400, dims=10):
    """Blobs of which two fifths lie anywhere."""
    rng = np.random.default_rng(seed)
    points, _ = blobs(seed, [n // 5] * 5, dims, apart=4.0)
    far = rng.random(n) < 0.4
    points[far] = rng.uniform(points.min(), points.max(), (far.sum(), dims))
    return points


APART = {  # clouds full of equal distances, in groups so far apart that no tie decides who belongs together
    "lattices": np.concatenate([lattice(4, *corner) for corner in product([0, 40], repeat=2)]),
    "cubes": np.concatenate([lattice(3, 0, 0, 0), lattice(3, 20, 0, 0), lattice(3, 0, 20, 5)]),
    "copies": np.repeat(normal(0, 12, 3) * 9, 6, axis=0),
    "lattices and copies": np.concatenate([lattice(5, 0, 0), lattice(4, 30, 3), np.repeat([[15.0, 15.0]], 9, axis=0)]),
    "lines": np.concatenate([np.arange(20.0), np.arange(60.0, 75.0)])[:, None],
}
TIED = APART | {  # and clouds whose clusters depend on the rule
    "one lattice": lattice(8, 0, 0),
    "one lattice twice": np.concatenate([lattice(8, 0, 0)] * 2),
    **{f"noisy {seed}": noisy(seed) for seed in range(8)},
}


def assert_equal(found, expected):
    np.testing.assert_array_equal(found.labels, expected.labels)
    np.testing.assert_array_equal(found.probabilities, expected.probabilities)


def by(argsort, order):
    """np.argsort with the elements first put into an `order`: another choice among equals, as another CPU makes it."""

    def sorting(values, *arguments, **settings):
        if np.ndim(values) != 1:
            return argsort(values, *arguments, **settings)
        before = order(len(values))
        return before[argsort(np.asarray(values)[before], kind="stable")]

    return sorting


ORDERS = {
    "as it is": np.arange,
    "reversed": lambda n: np.arange(n)[::-1],
    "shuffled": lambda n: np.random.default_rng(n).permutation(n),
}


@pytest.mark.parametrize("cloud", TIED)
def test_how_numpy_sorts_changes_no_cluster(cloud, monkeypatch):
    expected, argsort = cluster(TIED[cloud], **DENSITY), np.argsort
    for order in ORDERS.values():
        monkeypatch.setattr(np, "argsort", by(argsort, order))
        assert_equal(cluster(TIED[cloud], **DENSITY), expected)


def test_but_it_changes_those_of_the_package(monkeypatch):
    """Otherwise the test above would pass without the rule."""
    argsort, found = np.argsort, []
    for order in ORDERS.values():
        monkeypatch.setattr(np, "argsort", by(argsort, order))
        found.append(np.concatenate([HDBSCAN(**DENSITY).fit(points).labels_ for points in TIED.values()]))
    assert not np.array_equal(found[0], found[1])
    assert not np.array_equal(found[0], found[2])


@pytest.mark.parametrize("cloud", TIED)
def test_the_order_in_which_edges_arrive_changes_no_cluster(cloud):
    edges = density.spanning_tree(TIED[cloud], 3)
    expected = density.clusters_of_tree(edges, 5)
    for seed in range(5):
        assert_equal(density.clusters_of_tree(np.random.default_rng(seed).permutation(edges), 5), expected)


def test_equal_edges_are_ordered_by_their_rows():
    edges = np.array([[4, 3, 1.0], [2, 0, 2.0], [0, 1, 2.0], [5, 4, 0.5], [1, 4, 1.0], [3, 1, 1.0]])
    assert density.in_order(edges)[:, :2].astype(int).tolist() == [[5, 4], [3, 1], [1, 4], [4, 3], [0, 1], [2, 0]]


@pytest.mark.parametrize("cloud", APART)
@pytest.mark.parametrize("seed", range(4))
def test_rows_in_another_order_are_clustered_alike(cloud, seed):
    order = np.random.default_rng(seed).permutation(len(APART[cloud]))
    expected, found = cluster(APART[cloud], **DENSITY), cluster(APART[cloud][order], **DENSITY)
    assert expected.count > 1
    assert adjusted_rand_score(found.labels, expected.labels[order]) == 1.0
    np.testing.assert_array_equal(found.probabilities, expected.probabilities[order])


@pytest.mark.parametrize("cloud", APART)
def test_copies_belong_to_the_clusters_of_their_originals(cloud):
    points, n = APART[cloud], len(APART[cloud])
    found = cluster(np.concatenate([points, points]), **DENSITY)
    np.testing.assert_array_equal(found.labels[n:], found.labels[:n])
    assert adjusted_rand_score(found.labels[:n], cluster(points, **DENSITY).labels) == 1.0


def test_clusters_are_those_of_separate_blobs():
    points, truth = blobs(9, [20, 40, 30], 5)
    found = cluster(points, min_cluster_size=10, min_samples=3)
    assert found.count == 3
    assert adjusted_rand_score(found.labels, truth) > 0.95
    assert found.labels.dtype == np.int64
    assert found.probabilities.dtype == np.float64
    assert (found.probabilities[found.labels == -1] == 0).all()
    assert (found.probabilities[found.labels >= 0] > 0).all()


def test_min_samples_does_not_count_the_point_itself():
    """The `hdbscan` package's meaning: scikit-learn's labels with one more."""
    from sklearn.cluster import HDBSCAN

    points, _ = blobs(10, [40, 40, 40], 4, apart=1.5)
    theirs = [HDBSCAN(min_cluster_size=8, min_samples=m, copy=True).fit_predict(points) for m in (3, 4)]
    agreement = [adjusted_rand_score(cluster(points, min_cluster_size=8, min_samples=3).labels, t) for t in theirs]
    assert agreement[1] > max(0.9, agreement[0])


@pytest.mark.parametrize("n", range(1, 10))
def test_too_few_points_are_all_noise(n):
    points, _ = blobs(11, [n - n // 2, n // 2], 3, apart=50.0)
    found = cluster(points, min_cluster_size=5, min_samples=3)
    assert found.labels.tolist() == [-1] * n
    assert found.probabilities.tolist() == [0.0] * n
    assert found.count == 0


def test_twice_the_smallest_cluster_is_enough_for_two():
    points, truth = blobs(12, [5, 5], 3, apart=50.0)
    assert cluster(points, min_cluster_size=5, min_samples=3).count == 2
    assert cluster(points[1:], min_cluster_size=5, min_samples=3).count == 0
    assert truth.tolist() == [0] * 5 + [1] * 5


@given(
    seed=st.integers(0, 10**6),
    n=st.integers(1, 60),
    distinct=st.integers(1, 60),
    min_cluster_size=st.integers(2, 12),
    min_samples=st.integers(1, 80),
)
@settings(max_examples=40, deadline=None)
def test_any_cloud_is_clustered_without_a_warning(seed, n, distinct, min_cluster_size, min_samples):
    points = normal(seed, distinct, 3).astype(np.float32)[np.arange(n) % distinct]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = cluster(points, min_cluster_size=min_cluster_size, min_samples=min_samples)
    assert found.labels.shape == found.probabilities.shape == (n,)
    assert set(found.labels.tolist()) <= set(range(-1, found.count))
    assert ((found.probabilities >= 0) & (found.probabilities <= 1)).all()
    for label in range(found.count):
        assert (found.labels == label).sum() >= min_cluster_size


@pytest.mark.parametrize("wrong", [{"min_cluster_size": 1}, {"min_samples": 0}])
def test_impossible_settings_of_hdbscan_are_refused(wrong):
    with pytest.raises(ValueError, match="min_cluster_size >= 2 and min_samples >= 1"):
        cluster(normal(0, 20, 2), **(DENSITY | wrong))


def test_all_noise_counts_no_cluster():
    assert Clusters(np.full(4, -1), np.zeros(4)).count == 0
    assert Clusters(np.array([0, -1, 2]), np.zeros(3)).count == 3
