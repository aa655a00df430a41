"""Herding, k-means medoids and the diverse ranking: what they promise for any features, duplicates and extremes too."""

import faiss
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from retort.methods.diversity import diverse_ranking
from retort.methods.herding import herding
from retort.methods.kmeans import kmeans_medoids

any_value = st.one_of(
    st.sampled_from([0.0, 1.0, -1.0, 1e308, -1e308, 5e-324, 0.1]),
    st.floats(allow_nan=False, allow_infinity=False),
    st.floats(-10, 10),
)


@st.composite
def any_features(draw):
    """Finite features (n, D); rows often repeat."""
    shape = draw(st.tuples(st.integers(1, 12), st.integers(1, 4)))
    features = draw(hnp.arrays(np.float64, shape, elements=any_value))
    return features[draw(hnp.arrays(np.int64, draw(st.integers(1, 20)), elements=st.integers(0, shape[0] - 1)))]


def blobs(seed=0, sizes=(20, 12, 5), dims=6, distance=50.0):
    """Features and labels of well separated clusters, shuffled."""
    rng = np.random.default_rng(seed)
    labels = rng.permutation(np.repeat(np.arange(len(sizes)), sizes))
    return distance * np.eye(dims)[labels] + rng.standard_normal((len(labels), dims)), labels


def assert_distinct_rows(chosen, n):
    assert chosen.dtype == np.int64
    assert len(set(chosen.tolist())) == len(chosen)
    assert ((chosen >= 0) & (chosen < n)).all()


@given(any_features(), st.data())
@settings(max_examples=150, deadline=None)
def test_every_choice_is_of_distinct_rows_whatever_the_features(features, data):
    count, n = data.draw(st.integers(0, len(features))), len(features)
    for chosen in (herding(features, count), kmeans_medoids(features, count, seed=3)):
        assert len(chosen) == count
        assert_distinct_rows(chosen, n)


@given(any_features(), st.integers(1, 30), st.data())
@settings(max_examples=150, deadline=None)
def test_the_ranking_is_of_all_rows_and_goes_round_the_clusters(features, clusters, data):
    n = len(features)
    scores = data.draw(hnp.arrays(np.float64, n, elements=st.floats(-1e3, 1e3)))
    order, cluster = diverse_ranking(features, scores, clusters, seed=1)
    assert len(order) == len(cluster) == n
    assert_distinct_rows(order, n)
    names = set(cluster.tolist())
    assert names == set(range(len(names)))
    assert len(names) <= min(clusters, n)
    assert_round_robin(cluster[order])
    medians = [np.median(scores[cluster == c]) for c in range(len(names))]
    assert medians == sorted(medians, reverse=True)


def assert_round_robin(clusters):
    """The row of clusters that one gets by dealing out one of each that is left, in the order of their names."""
    left = np.bincount(clusters)
    dealt = [c for turn in range(left.max()) for c in range(len(left)) if left[c] > turn]
    assert clusters.tolist() == dealt


def herding_by_loop(features, count):
    mean, chosen = features.mean(axis=0), []
    for i in range(count):
        left = [r for r in range(len(features)) if r not in chosen]
        gaps = [np.linalg.norm(mean - features[[*chosen, r]].mean(axis=0)) for r in left]
        chosen.append(left[int(np.argmin(gaps))])
        assert len(chosen) == i + 1
    return chosen


@pytest.mark.parametrize("seed", range(4))
def test_herding_takes_the_row_that_brings_the_mean_nearest_each_time(seed):
    features = np.random.default_rng(seed).standard_normal((25, 5)) + 100
    assert herding(features, 25).tolist() == herding_by_loop(features, 25)


def test_herding_matches_the_mean_far_better_than_chance():
    rng = np.random.default_rng(0)
    features = rng.standard_normal((500, 8))
    mean = features.mean(axis=0)
    gap = np.linalg.norm(features[herding(features, 20)].mean(axis=0) - mean)
    by_chance = [np.linalg.norm(features[rng.permutation(500)[:20]].mean(axis=0) - mean) for _ in range(50)]
    assert gap < 0.5 * min(by_chance)


def test_fewer_herded_rows_are_the_beginning_of_more():
    features = np.random.default_rng(1).standard_normal((40, 6))
    whole = herding(features, 40)
    for count in range(40):
        assert herding(features, count).tolist() == whole[:count].tolist()


def test_herding_of_equal_rows_takes_them_in_their_order():
    rows = np.random.default_rng(2).standard_normal((3, 67))
    features = rows[[0, 1, 2] * 7]
    order = herding(features, 21)
    for row in range(3):
        copies = order[order % 3 == row]
        assert copies.tolist() == sorted(copies)


def test_herding_in_float32_is_computed_in_float64():
    features = (np.random.default_rng(3).standard_normal((200, 16)) + 1000).astype(np.float32)
    assert herding(features, 30).tolist() == herding(features.astype(np.float64), 30).tolist()


def test_the_medoids_of_clear_clusters_are_the_rows_nearest_their_means_larger_first():
    features, labels = blobs()
    expected = []
    for label in range(3):
        members = np.flatnonzero(labels == label)
        centre = features[members].mean(axis=0)
        expected.append(members[np.linalg.norm(features[members] - centre, axis=1).argmin()])
    assert kmeans_medoids(features, 3, seed=0).tolist() == expected


def test_all_rows_are_medoids_when_as_many_are_asked_for():
    features, _ = blobs()
    assert sorted(kmeans_medoids(features, len(features), seed=0).tolist()) == list(range(len(features)))


def test_medoids_lie_nearer_to_all_rows_than_random_ones():
    rng = np.random.default_rng(4)
    features = rng.standard_normal((300, 4))

    def spread(rows):
        return np.square(features[:, None] - features[rows]).sum(axis=2).min(axis=1).mean()

    assert spread(kmeans_medoids(features, 15, seed=0)) < 0.9 * min(
        spread(rng.permutation(300)[:15]) for _ in range(30)
    )


@pytest.mark.parametrize("shift", [0.0, 1e6])
@pytest.mark.parametrize("scale", [1e-30, 1.0, 1e150])
def test_choices_do_not_depend_on_where_and_how_large_the_features_are(shift, scale):
    features = np.round(np.random.default_rng(5).standard_normal((60, 5)) * 2**20) / 2**20
    moved = (features + shift) * scale
    assert kmeans_medoids(moved, 6, seed=2).tolist() == kmeans_medoids(features, 6, seed=2).tolist()
    assert herding(moved, 6).tolist() == herding(features, 6).tolist()


def test_the_ranking_of_clear_clusters_is_by_median_score_then_by_distance_to_the_centre():
    features, labels = blobs()
    rng = np.random.default_rng(6)
    scores = np.array([0.0, 10.0, 5.0])[labels] + rng.uniform(-1, 1, len(labels))
    order, cluster = diverse_ranking(features, scores, 3, seed=0)
    assert cluster.tolist() == np.array([2, 0, 1])[labels].tolist()
    for label in range(3):
        members = np.flatnonzero(labels == label)
        distance = np.linalg.norm(features[members] - features[members].mean(axis=0), axis=1)
        ranked = [row for row in order if labels[row] == label]
        assert ranked == members[np.argsort(distance)].tolist()


def test_a_clusters_rank_is_its_median_and_not_its_mean_or_its_best():
    features, labels = blobs(sizes=(5, 5))
    scores = np.where(labels == 0, 1.0, 0.0)
    scores[np.flatnonzero(labels == 1)[0]] = 1000.0
    _, cluster = diverse_ranking(features, scores, 2, seed=0)
    assert cluster.tolist() == labels.tolist()


def test_of_members_at_one_distance_the_higher_score_comes_first():
    order, cluster = diverse_ranking(np.full((5, 3), 0.1), np.array([1.0, 3.0, 2.0, 3.0, 0.0]), 4, seed=0)
    assert set(cluster.tolist()) == {0}
    assert order.tolist() == [1, 3, 2, 0, 4]


@pytest.mark.parametrize("clusters", [3, 4, 100])
def test_every_beginning_of_the_ranking_holds_as_many_clusters_as_it_can(clusters):
    features, labels = blobs(distance=1e3)
    order, cluster = diverse_ranking(features, np.zeros(len(labels)), clusters, seed=0)
    found = len(set(cluster.tolist()))
    assert 3 <= found <= min(clusters, len(labels))
    for n in (1, 2, 3, found):
        assert len(set(cluster[order[:n]].tolist())) == n


def test_a_ranking_of_nothing_is_empty():
    order, cluster = diverse_ranking(np.zeros((0, 4)), np.zeros(0), 3, seed=0)
    assert order.dtype == cluster.dtype == np.int64
    assert len(order) == len(cluster) == 0


def test_the_same_seed_gives_the_same_choice_on_any_number_of_threads():
    rng = np.random.default_rng(7)
    features, scores = rng.standard_normal((400, 32)), rng.standard_normal(400)
    before = faiss.omp_get_max_threads()
    results = []
    try:
        for threads in (1, 2, 1):
            faiss.omp_set_num_threads(threads)
            results.append((kmeans_medoids(features, 20, 2**62 + 5), *diverse_ranking(features, scores, 12, 2**62 + 5)))
            assert faiss.omp_get_max_threads() == threads
    finally:
        faiss.omp_set_num_threads(before)
    for other in results[1:]:
        for a, b in zip(results[0], other, strict=True):
            np.testing.assert_array_equal(a, b)


def test_another_seed_may_give_another_choice():
    features = np.random.default_rng(8).standard_normal((200, 16))
    assert len({tuple(kmeans_medoids(features, 10, seed)) for seed in range(4)}) > 1


def test_clustering_prints_no_warnings(capfd):
    features, labels = blobs()
    kmeans_medoids(features, 10, seed=0)
    diverse_ranking(features, np.zeros(len(labels)), len(labels), seed=0)
    assert capfd.readouterr() == ("", "")


CHOICES = {
    "herding": lambda features, count: herding(features, count),
    "medoids": lambda features, count: kmeans_medoids(features, count, 0),
    "ranking": lambda features, count: diverse_ranking(features, np.zeros(len(features)), 2, 0),
}


@pytest.mark.parametrize("choice", CHOICES)
@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_features_that_are_not_finite_are_an_error_naming_the_first_row(choice, value):
    features = np.zeros((6, 3))
    features[[3, 5], 1] = value
    with pytest.raises(ValueError, match="features of 2 rows are not finite, the first of them row 3"):
        CHOICES[choice](features, 2)


@pytest.mark.parametrize("choice", CHOICES)
def test_features_need_two_dimensions(choice):
    with pytest.raises(ValueError, match=r"features must be \(rows, dimensions\), found \(6,\)"):
        CHOICES[choice](np.zeros(6), 2)


@pytest.mark.parametrize("choice", ["herding", "medoids"])
@pytest.mark.parametrize("count", [7, -1])
def test_more_rows_than_there_are_is_an_error(choice, count):
    with pytest.raises(ValueError, match=f"{count} rows cannot be chosen from 6"):
        CHOICES[choice](np.zeros((6, 3)), count)


@pytest.mark.parametrize("scores", [np.zeros(5), np.zeros((6, 1)), np.float64([0, 0, np.nan, 0, 0, 0])])
def test_scores_that_do_not_fit_are_an_error(scores):
    with pytest.raises(ValueError, match="scores must be 6 finite numbers"):
        diverse_ranking(np.zeros((6, 3)), scores, 2, 0)


def test_no_clusters_are_an_error():
    with pytest.raises(ValueError, match="clusters must be at least 1, found 0"):
        diverse_ranking(np.zeros((6, 3)), np.zeros(6), 0, 0)
