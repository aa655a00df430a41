"""Ranking a pool by what a teacher says: always a permutation, the recognised first."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from retort.methods.confidence import rank_candidates

KEEPS = ["confident", "uncertain"]
# Few values, so that ties are common; and those that no softmax survives.
VALUES = st.sampled_from([0.0, 1.0, -1.0, 2.5, 80.0, -80.0, 3e38, np.nan, np.inf, -np.inf])
LOGITS = hnp.arrays(np.float32, st.tuples(st.integers(1, 12), st.integers(2, 5)), elements=VALUES)


def probabilities(logits):
    """Softmax rows (n, K) in float64, NaN where there is none."""
    with np.errstate(all="ignore"):
        logits = logits.astype(np.float64)
        powers = np.exp(logits - logits.max(axis=1, keepdims=True))
        return powers / powers.sum(axis=1, keepdims=True)


@given(LOGITS, st.data(), st.sampled_from(KEEPS))
@settings(max_examples=300, deadline=None)
def test_any_logits_give_a_permutation_with_the_recognised_first(logits, data, keep):
    label = data.draw(st.integers(0, logits.shape[1] - 1))
    found = rank_candidates(torch.from_numpy(logits), label, keep)
    n, order = len(logits), found.order
    assert sorted(order.tolist()) == list(range(n))
    for first in range(n + 1):
        assert len(set(order[:first].tolist())) == first
    assert found.correct.dtype == bool
    assert found.correct.shape == found.confidence.shape == (n,)
    right = found.correct[order]
    assert (right == np.sort(right)[::-1]).all()
    assert np.isfinite(found.confidence).all()
    whole = np.isfinite(probabilities(logits)).all(axis=1)
    assert not found.correct[~whole].any()
    assert (found.confidence[~whole] == 0).all()
    assert whole[order][: whole.sum()].all()  # those without a confidence come last


@given(LOGITS, st.data(), st.sampled_from(KEEPS))
@settings(max_examples=300, deadline=None)
def test_both_parts_are_in_the_order_of_confidence_and_ties_in_their_own(logits, data, keep):
    label = data.draw(st.integers(0, logits.shape[1] - 1))
    found = rank_candidates(torch.from_numpy(logits), label, keep)
    chances = probabilities(logits)
    whole = np.isfinite(chances).all(axis=1)
    np.testing.assert_allclose(found.confidence[whole], chances[whole].max(axis=1), rtol=1e-9)
    assert (chances[found.correct, label] >= found.confidence[found.correct] * (1 - 1e-9)).all()
    for part in (found.correct, ~found.correct & whole, ~whole):
        members = [c for c in found.order.tolist() if part[c]]
        sign = -1 if keep == "confident" else 1
        assert members == sorted(members, key=lambda c: (sign * found.confidence[c], c))


def test_by_example():
    logits = torch.tensor([[0.0, 2.0], [0.0, 1.0], [5.0, 0.0], [0.0, 3.0], [4.0, 0.0], [np.nan, 9.0]])
    confident, uncertain = (rank_candidates(logits, 1, keep) for keep in KEEPS)
    assert confident.order.tolist() == [3, 0, 1, 2, 4, 5]
    assert uncertain.order.tolist() == [1, 0, 3, 4, 2, 5]
    assert confident.correct.tolist() == uncertain.correct.tolist() == [True, True, False, True, False, False]
    np.testing.assert_allclose(confident.confidence[:2], 1 / (1 + np.exp([-2.0, -1.0])), rtol=1e-12)
    assert confident.confidence[5] == 0


def test_confidence_is_of_any_class_and_not_of_the_label():
    logits = torch.tensor([[3.0, 0.0, 0.0], [9.0, 1.0, 0.0]])
    assert rank_candidates(logits, 1, "confident").order.tolist() == [1, 0]


def test_near_certain_candidates_are_still_told_apart():
    logits = torch.tensor([[0.0, 18.0], [0.0, 20.0], [0.0, 19.0]])  # float32 would round the best two to 1
    assert rank_candidates(logits, 1, "confident").order.tolist() == [1, 2, 0]


@pytest.mark.parametrize("keep", KEEPS)
def test_half_precision_logits_are_ranked_as_the_same_numbers_in_double(keep):
    logits = torch.randn(40, 6, generator=torch.Generator().manual_seed(0)).half()
    half, double = rank_candidates(logits, 2, keep), rank_candidates(logits.double(), 2, keep)
    np.testing.assert_array_equal(half.order, double.order)
