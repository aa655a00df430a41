"""Scores of groups, and the chosen group, against D3HR's reference code."""

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from retort.methods.groups import BLOCK, best_groups, score_groups


@pytest.fixture(scope="module")
def case(parity):
    return parity("d3hr_group_selection")


@pytest.fixture(scope="module")
def skew_weight(case):
    return case.number(case.facts["score"], r"([\d.]+)\*\|\|skew")


class Candidates:
    """The reference's candidate groups as standard normal draws, and what it says of them."""

    def __init__(self, case, facts):
        self.case, self.facts, self.key = case, facts, facts["key"]
        std = self["std"]
        self.z = (self["candidates"] - self["mean"]) / std
        # The reference takes its standard deviation as given, and the stored variance is that number squared in
        # float32; only std squared in float64 lets scores agree to float64 precision.
        self.variance = np.square(std)[None]

    def __getitem__(self, name):
        return self.case[f"{self.key}_{name}"].double().numpy()

    def scores(self, skew_weight):
        return score_groups(self.z, self.variance, skew_weight)[:, 0]


def candidates(case, alone):
    """The cases of one member to a group (alone) or those of several."""
    found = [Candidates(case, facts) for facts in case.facts["cases"] if (facts["ipc"] == 1) == alone]
    assert found
    for c in found:
        assert c.z.shape == (c.facts["n_trials"], c.facts["ipc"], c.facts["D"])
    return found


def test_scores_equal_the_reference_in_float64(case, skew_weight):
    for c in candidates(case, alone=False):
        np.testing.assert_allclose(c.scores(skew_weight), c["scores_f64"], rtol=1e-10)


def test_scores_from_the_stored_variance_equal_the_reference_in_float32(case, skew_weight):
    for c in candidates(case, alone=False):
        scores = score_groups(c.z.astype(np.float32), c["variance"][None].astype(np.float32), skew_weight)
        np.testing.assert_allclose(scores[:, 0], c["scores_f32"], rtol=1e-5)


def test_each_term_equals_the_reference(case):
    """One member scores its mean term alone, so the groups' means, as members, show that term."""
    for c in candidates(case, alone=False):
        mean_term = score_groups(c.z.mean(axis=1, keepdims=True), c.variance, 0.0)[:, 0]
        std_term = c.scores(0.0) - mean_term
        skew_term = c.scores(1.0) - c.scores(0.0)
        np.testing.assert_allclose(mean_term, c["mean_term_f64"], rtol=1e-10)
        np.testing.assert_allclose(std_term, c["std_term_f64"], rtol=1e-10)
        np.testing.assert_allclose(skew_term, c["skew_term_f64"], rtol=0, atol=1e-10 * c["scores_f64"].max())


def test_best_and_worst_groups_are_those_of_the_reference(case, skew_weight):
    for c in candidates(case, alone=False):
        scores = c.scores(skew_weight)
        assert scores.argmin() == c.facts["best_index"]
        assert scores.argmax() == c.facts["worst_index"]
        assert scores.min() == pytest.approx(c.facts["best_score"], rel=1e-5)


def test_searching_by_blocks_finds_the_group_of_the_reference(case, skew_weight):
    for c in candidates(case, alone=False):
        best = best_groups(lambda b, z=c.z: z[b * BLOCK : (b + 1) * BLOCK], len(c.z), c.variance, skew_weight)
        assert best.index.tolist() == [c.facts["best_index"]]
        assert best.score[0] == pytest.approx(c["scores_f64"].min(), rel=1e-10)


def test_one_image_per_class_is_scored_by_its_mean_term_where_the_reference_gives_nan(case, skew_weight):
    """A deliberate difference: without a standard deviation the reference scores NaN and then fails."""
    for c in candidates(case, alone=True):
        assert c.facts["all_nan"]
        assert np.isnan(c["scores_f64"]).all()
        np.testing.assert_allclose(c.scores(skew_weight), c["mean_term_f64"], rtol=1e-10)


def test_running_best_over_chunks_equals_the_reference_loop(case, skew_weight):
    """The reference draws chunk after chunk from a seed each and keeps the best group so far."""
    loop = load_file(case.folder / "loop.safetensors")
    told = case.facts["files"]["loop.safetensors"]
    per_chunk = int(case.number(told, r"chunks of (\d+)"))
    seed_stride = int(case.number(told, r"manual_seed\(i\*(\d+)\)"))
    chunks, (ipc, dims) = len(loop["chunk_best_worst"]), loop["best_group"].shape
    assert chunks > 1

    drawn = []
    for chunk in range(chunks):
        torch.manual_seed(chunk * seed_stride)
        shape = (per_chunk, ipc, dims)
        drawn.append(torch.normal(loop["mean"].expand(shape), loop["std"].expand(shape)))
    drawn = torch.cat(drawn).double().numpy()
    mean, std = loop["mean"].double().numpy(), loop["std"].double().numpy()
    z, variance = (drawn - mean) / std, np.square(std)[None]

    scores = score_groups(z, variance, skew_weight).reshape(chunks, per_chunk)
    best_and_worst = np.stack([scores.min(axis=1), scores.max(axis=1)], axis=1)
    np.testing.assert_allclose(best_and_worst, loop["chunk_best_worst"].numpy(), rtol=1e-5)

    best = best_groups(lambda b: z[b * BLOCK : (b + 1) * BLOCK], len(z), variance, skew_weight)
    assert best.index[0] // per_chunk == case.facts["loop"]["best_chunk"]
    assert best.score[0] == pytest.approx(case.facts["loop"]["best_score"], rel=1e-5)
    np.testing.assert_allclose(drawn[best.index[0]], loop["best_group"].numpy(), rtol=1e-6)
    group = loop["best_group"].numpy()
    np.testing.assert_allclose(mean + std * z[best.index[0]], group, rtol=0, atol=1e-6 * abs(group).max())
