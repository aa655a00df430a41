"""Standardising, rotating and embedding, down to the smallest classes."""

import subprocess
import sys
import warnings

import numba
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.distance import pdist
from sklearn.metrics import adjusted_rand_score
from sklearn.neighbors import NearestNeighbors
from sklearn.preprocessing import StandardScaler
from tests.helpers.clouds import blobs, normal
from threadpoolctl import threadpool_info, threadpool_limits

from retort.methods.density import cluster
from retort.methods.discovery import embed, one_quiet_thread, rotated, standardised

CODA = {"neighbors": 15, "components": 50, "min_dist": 0.0, "seed": 42}
DENSITY = {"min_cluster_size": 5, "min_samples": 3}


shapes = st.tuples(st.integers(0, 10**6), st.integers(1, 12), st.integers(1, 30))


@given(shape=shapes, scale=st.sampled_from([1e-6, 1.0, 1e6]), shift=st.sampled_from([0.0, 1.0, -1e3]))
@settings(max_examples=50, deadline=None)
def test_standardised_equals_scikit_learn(shape, scale, shift):
    features = normal(*shape) * scale + shift
    np.testing.assert_allclose(standardised(features), StandardScaler().fit_transform(features), atol=1e-7)


def test_standardised_has_mean_0_and_variance_1_in_float64():
    result = standardised((normal(0, 40, 9) * 50 + 300).astype(np.float32))
    assert result.dtype == np.float64
    np.testing.assert_allclose(result.mean(axis=0), 0, atol=1e-12)
    np.testing.assert_allclose(result.var(axis=0), 1, rtol=1e-12)


@pytest.mark.parametrize("value", [0.0, 0.1, -1e8, 1e-30])
def test_constant_coordinates_become_zero_and_leave_the_others_alone(value):
    features = normal(1, 7, 3)
    expected = standardised(features[:, [0, 2]])
    features[:, 1] = value
    result = standardised(features)
    assert not result[:, 1].any()
    np.testing.assert_allclose(result[:, [0, 2]], expected, rtol=1e-12)


def test_standardising_leaves_its_input_alone():
    features = normal(2, 6, 4)
    before = features.copy()
    standardised(features)
    rotated(features)
    np.testing.assert_array_equal(features, before)


@given(shape=shapes, copies=st.integers(0, 3), scale=st.sampled_from([1e-3, 1.0, 1e4]))
@settings(max_examples=80, deadline=None)
def test_rotation_keeps_all_distances(shape, copies, scale):
    features = normal(*shape) * scale + 5
    features = np.concatenate([features, features[:copies]])
    result = rotated(features)
    n, dims = features.shape
    assert result.shape == (n, min(n - 1, dims))
    assert result.dtype == np.float64
    before = pdist(features)
    np.testing.assert_allclose(pdist(result), before, rtol=1e-9, atol=1e-6 * before.max(initial=0))


@pytest.mark.parametrize(("n", "dims"), [(20, 6), (6, 20)])
def test_rotated_coordinates_are_principal_and_fall_in_variance(n, dims):
    features = normal(3, n, dims) * np.arange(1, dims + 1)
    result = rotated(features)
    scatter = result.T @ result
    squares = np.diag(scatter)
    np.testing.assert_allclose(scatter, np.diag(squares), atol=1e-10 * squares[0])
    assert (np.diff(squares) <= 0).all()
    singular = np.linalg.svd(features - features.mean(axis=0), compute_uv=False)[: len(squares)]
    np.testing.assert_allclose(np.sqrt(squares), singular, rtol=1e-9)


@pytest.mark.parametrize(("n", "dims"), [(9, 4), (4, 9), (2, 5)])
def test_signs_do_not_depend_on_those_of_the_features(n, dims):
    """Mirrored features have the same principal coordinates but for the sign, which is then fixed by a rule."""
    features = normal(4, n, dims)
    result = rotated(features)
    mirrored = features * np.where(np.arange(dims) % 2, -1, 1)
    np.testing.assert_allclose(rotated(mirrored), result, atol=1e-9)
    largest = np.abs(result).argmax(axis=0)
    if n > 2:  # the two entries of two points are equal but for the sign
        assert (result[largest, np.arange(result.shape[1])] > 0).all()
    else:
        assert result[0] > 0


@pytest.mark.parametrize(
    "function", [standardised, rotated, lambda x: embed(x, **CODA), lambda x: cluster(x, **DENSITY)]
)
def test_what_is_no_finite_matrix_is_refused(function):
    broken = normal(5, 6, 3)
    broken[2, 1], broken[4, 0] = np.nan, np.inf
    with pytest.raises(ValueError, match="NaN or infinity in 2 of 6 rows"):
        function(broken)
    for shape in [(6,), (0, 3), (3, 0), (2, 2, 2)]:
        with pytest.raises(ValueError, match="shape"):
            function(np.zeros(shape))


def test_embedding_is_the_same_for_the_same_seed_and_another_for_another():
    features, _ = blobs(6, [30, 30], 200)
    first, again = (embed(features, **CODA) for _ in range(2))
    np.testing.assert_array_equal(first, again)
    assert first.shape == (60, 50)
    assert first.dtype == np.float32
    assert not np.array_equal(first, embed(features, **(CODA | {"seed": 43})))


def test_embedding_leaves_the_global_random_state_and_the_threads_alone():
    features, _ = blobs(7, [12, 12], 30)
    embed(features, **CODA)
    threads, state = numba.get_num_threads(), np.random.get_state()[1].copy()  # noqa: NPY002
    embed(features, **CODA)
    assert numba.get_num_threads() == threads
    np.testing.assert_array_equal(np.random.get_state()[1], state)  # noqa: NPY002


def test_rotation_changes_no_neighbour_and_no_cluster():
    """UMAP itself magnifies rounding, so coordinates differ with the rotation; what they are for does not."""
    from umap import UMAP

    features, truth = blobs(8, [40, 30, 50], 500)
    whole = standardised(features)
    nearest = [
        NearestNeighbors(n_neighbors=15, algorithm="brute").fit(points).kneighbors(return_distance=False)
        for points in (whole, rotated(whole))
    ]
    np.testing.assert_array_equal(*nearest)

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        unrotated = UMAP(n_neighbors=15, n_components=50, min_dist=0.0, random_state=42).fit_transform(whole)
    ours = cluster(embed(features, **CODA), min_cluster_size=15, min_samples=3)
    theirs = cluster(unrotated, min_cluster_size=15, min_samples=3)
    assert adjusted_rand_score(ours.labels, theirs.labels) == 1.0
    assert adjusted_rand_score(ours.labels, truth) == 1.0


@pytest.mark.parametrize("n", [1, 2, 3, 4, 5, 16, 51, 52, 53])
def test_small_classes_get_as_many_coordinates_as_they_allow(n):
    result = embed(normal(n, n, 80), **CODA)
    assert result.shape == (n, max(1, min(50, n - 2)))
    assert result.dtype == np.float32
    assert np.isfinite(result).all()


def test_two_images_keep_their_distance_and_one_is_zero():
    pair = embed(np.array([[1.0, 5.0, 2.0], [3.0, 5.0, 0.0]]), **CODA)
    assert abs(pair[0, 0] - pair[1, 0]) == pytest.approx(np.sqrt(8))  # two coordinates at +1 and -1
    assert embed(normal(0, 1, 4), **CODA).tolist() == [[0.0]]
    assert embed(normal(0, 1, 1), **CODA).tolist() == [[0.0]]


@pytest.mark.parametrize("n", [3, 4, 5, 8, 30, 60])
@pytest.mark.parametrize("kind", ["all the same", "half the same", "three points", "one coordinate"])
def test_degenerate_features_are_embedded_without_a_warning(n, kind):
    features = {
        "all the same": lambda: np.full((n, 6), 3.0),
        "half the same": lambda: np.concatenate([normal(1, n - n // 2, 6), np.tile(normal(2, 1, 6), (n // 2, 1))]),
        "three points": lambda: normal(3, 3, 6)[np.arange(n) % 3] * 100,
        "one coordinate": lambda: normal(4, n, 1),
    }[kind]()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        result = embed(features, **CODA)
    assert result.shape == (n, min(50, n - 2))
    assert np.isfinite(result).all()


@pytest.mark.parametrize("wrong", [{"neighbors": 1}, {"components": 0}])
def test_impossible_settings_of_umap_are_refused(wrong):
    with pytest.raises(ValueError, match="neighbors >= 2 and components >= 1"):
        embed(normal(0, 20, 4), **(CODA | wrong))


def test_within_one_quiet_thread_there_is_one_and_afterwards_as_many_as_before():
    def threads():
        return {pool["num_threads"] for pool in threadpool_info()}

    with threadpool_limits(2), warnings.catch_warnings():
        warnings.simplefilter("error")
        with one_quiet_thread():
            assert threads() == {1}
            warnings.warn("unheard", stacklevel=1)
        assert threads() == {2}
        with pytest.raises(UserWarning, match="heard"):
            warnings.warn("heard", stacklevel=1)


def test_umap_is_imported_only_when_it_is_needed():
    code = "import sys, retort.methods.discovery; sys.exit('umap' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], env={"PYTHONPATH": ":".join(sys.path)}).returncode == 0
