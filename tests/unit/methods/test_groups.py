"""Group scores against a plain loop that samples every class, as D3HR does."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from retort.methods.groups import BLOCK, best_groups, matched_group, score_groups


def normal(seed, *shape):
    return np.random.default_rng(seed).standard_normal(shape)


def variances(seed, classes, dims):
    return np.random.default_rng(seed).uniform(0.1, 3.0, (classes, dims))


def score_one(group, mean, std, skew_weight):
    """The score of one sampled group (ipc, D) for one class, term by term."""
    dims = group.shape[1]
    score = np.linalg.norm(group.mean(axis=0) - mean)
    if len(group) == 1:
        return score
    own_mean, own_std = group.mean(axis=0), group.std(axis=0, ddof=1)
    score += np.linalg.norm(own_std - std)
    factor = dims / ((dims - 1) * (dims - 2))
    skew = [
        factor * sum(((x - m) / s) ** 3 for x, m, s in zip(member, own_mean, own_std, strict=True)) for member in group
    ]
    return score + skew_weight * np.linalg.norm(skew)


def scores_by_sampling(z, variance, skew_weight):
    """The class means are arbitrary, since no score depends on them."""
    std, means = np.sqrt(variance), normal(99, *variance.shape)
    return np.array([[score_one(m + s * g, m, s, skew_weight) for m, s in zip(means, std, strict=True)] for g in z])


@pytest.mark.parametrize("ipc", [1, 2, 3, 10])
@pytest.mark.parametrize("skew_weight", [0.0, 0.1, 5.0])
def test_scores_equal_those_of_groups_sampled_for_each_class(ipc, skew_weight):
    z, variance = normal(ipc, 7, ipc, 12), variances(ipc, 4, 12)
    scores = score_groups(z, variance, skew_weight)
    assert scores.shape == (7, 4)
    np.testing.assert_allclose(scores, scores_by_sampling(z, variance, skew_weight), rtol=1e-10)


def test_float32_draws_are_scored_in_float64():
    z, variance = normal(0, 5, 10, 64).astype(np.float32), variances(0, 3, 64)
    scores = score_groups(z, variance, 0.1)
    assert scores.dtype == np.float64
    np.testing.assert_allclose(scores, score_groups(z.astype(np.float64), variance, 0.1), rtol=1e-12)


def test_one_member_is_scored_by_its_mean_term_whatever_the_skew_weight():
    z, variance = normal(3, 6, 1, 20), variances(3, 2, 20)
    expected = np.linalg.norm(z[:, 0, None] * np.sqrt(variance), axis=2)
    np.testing.assert_allclose(score_groups(z, variance, 0.1), expected, rtol=1e-12)
    np.testing.assert_array_equal(score_groups(z, variance, 7.0), score_groups(z, variance, 0.0))


def search(z, groups, variance, skew_weight=0.1):
    """best_groups over the draws z; asking for a block that does not exist, or twice for one, fails."""
    blocks = [z[i : i + BLOCK] for i in range(0, len(z), BLOCK)]
    fresh = dict(enumerate(blocks))
    return best_groups(fresh.pop, groups, variance, skew_weight)


@pytest.mark.parametrize("groups", [1, 5, BLOCK - 1, BLOCK, BLOCK + 1, 2 * BLOCK, 3 * BLOCK - 7])
def test_the_search_finds_the_lowest_score_of_all_groups(groups):
    """Blocks are drawn whole; what lies beyond the last group must not be chosen."""
    z, variance = normal(groups, 3 * BLOCK, 3, 10), variances(1, 5, 10)
    scores = score_groups(z[:groups], variance, 0.1)
    best = search(z, groups, variance)
    np.testing.assert_array_equal(best.index, scores.argmin(axis=0))
    np.testing.assert_allclose(best.score, scores.min(axis=0), rtol=1e-12)


def test_a_better_group_beyond_the_last_one_is_not_seen():
    z = normal(0, BLOCK, 2, 8)
    z[40] = np.stack([np.ones(8), -np.ones(8)]) / np.sqrt(2)
    variance = variances(0, 2, 8)
    assert search(z, 41, variance, 0.0).index.tolist() == [40, 40]
    assert max(search(z, 40, variance, 0.0).index) < 40


@given(cuts=st.lists(st.integers(1, 5), min_size=1, max_size=3, unique=True))
@settings(max_examples=20, deadline=None)
def test_the_choice_does_not_depend_on_the_classes_scored_together(cuts):
    z, variance = normal(4, 2 * BLOCK, 4, 16), variances(4, 6, 16)
    together = search(z, 100, variance)
    apart = [search(z, 100, part) for part in np.split(variance, sorted(cuts))]
    np.testing.assert_array_equal(together.index, np.concatenate([b.index for b in apart]))
    np.testing.assert_allclose(together.score, np.concatenate([b.score for b in apart]), rtol=1e-12)


def test_classes_of_different_spread_may_choose_different_groups():
    """Group 0 fits the first coordinate exactly, group 1 the second; each class varies in one of them only."""
    fitting = np.array([1.0, -1.0]) / np.sqrt(2)
    far, filler = np.array([3.0, 1.0]), np.zeros((2, 2))
    filler[:] = fitting
    z = np.stack([np.stack([fitting, far, *filler], axis=1), np.stack([far, fitting, *filler], axis=1)])
    variance = np.array([[1.0, 1e-6, 1.0, 1.0], [1e-6, 1.0, 1.0, 1.0]])
    assert search(z, 2, variance, 0.0).index.tolist() == [0, 1]


def test_the_first_of_equal_groups_wins_within_a_block_and_across_blocks():
    z, variance = normal(5, 3 * BLOCK, 3, 10), variances(5, 3, 10)
    perfect = matched_group(normal(6, 3, 10))
    for place in (17, 30, BLOCK + 2, 2 * BLOCK + 17):
        z[place] = perfect
    assert search(z, 3 * BLOCK, variance).index.tolist() == [17] * 3


@pytest.fixture(params=[2, 3, 10])
def ipc(request):
    return request.param


DIMS = 1024  # a quarter of a 4 x 32 x 32 latent


@pytest.fixture
def matched(ipc):
    return matched_group(normal(ipc, ipc, DIMS))


def test_a_matched_group_is_centred_with_unit_standard_deviation(matched, ipc):
    assert matched.shape == (ipc, DIMS)
    np.testing.assert_allclose(matched.mean(axis=0), 0, atol=1e-12)
    np.testing.assert_allclose(matched.std(axis=0, ddof=1), 1, rtol=1e-12)


def test_a_matched_group_scores_next_to_nothing_for_every_class(matched, ipc):
    variance = variances(7, 3, DIMS)
    typical = score_groups(normal(8, 40, ipc, DIMS), variance, 0.1).mean(axis=0)
    assert (score_groups(matched[None], variance, 0.1)[0] < 1e-3 * typical).all()


def test_the_skew_of_a_matched_group_is_far_below_that_of_a_random_one(matched, ipc):
    """It is not zero: the signs of a finite number of coordinates cancel it only so far."""

    def skew(groups):
        return score_groups(groups, variances(9, 1, DIMS), 1.0) - score_groups(groups, variances(9, 1, DIMS), 0.0)

    assert skew(matched[None]).item() < 0.1 * skew(normal(10, 40, ipc, DIMS)).mean()


def test_a_matched_group_is_its_draws_standardised_up_to_the_sign_of_each_coordinate(matched, ipc):
    draws = normal(ipc, ipc, DIMS)
    standardised = (draws - draws.mean(axis=0)) / draws.std(axis=0, ddof=1)
    signs = np.sign((matched * standardised).sum(axis=0))
    np.testing.assert_allclose(matched, signs * standardised, rtol=1e-12)
    assert 0.3 < (signs > 0).mean() < 0.7


def test_a_matched_group_of_one_is_the_class_mean():
    group = matched_group(normal(0, 1, DIMS))
    assert group.shape == (1, DIMS)
    assert not group.any()
