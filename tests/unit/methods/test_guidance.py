"""Identities of classifier-free guidance that hold for any model."""

import pytest
import torch
from tests.helpers.gaussian import GaussianDiffusion, entries

from retort.methods.guidance import Guided

ROWS = (0, 2, 1)
T = 400


@pytest.fixture
def model():
    return GaussianDiffusion.random()


@pytest.fixture
def latents(model):
    return torch.cat([model.draw(row, 1, seed=row) for row in ROWS])


def eps_of(model, latents, condition):
    return model.eps(latents, torch.full((len(latents),), T), condition)


def at_scale(model, latents, scale):
    return Guided(model, model.condition(entries(*ROWS)), scale)(latents, T)


def test_scale_one_is_the_conditional_branch_and_never_asks_for_null(model, latents):
    expected = eps_of(model, latents, model.condition(entries(*ROWS)))
    model.calls.clear()
    model.null = None
    assert torch.equal(at_scale(model, latents, 1.0), expected)
    assert model.calls == [([T] * 3, list(ROWS))]


def test_scale_zero_is_the_null_branch(model, latents):
    torch.testing.assert_close(at_scale(model, latents, 0.0), eps_of(model, latents, model.null(3)), rtol=0, atol=0)


@pytest.mark.parametrize("scale", [-1.0, 0.5, 2.0, 4.0, 7.5])
def test_the_result_is_linear_in_the_scale(model, latents, scale):
    null, conditional = (at_scale(model, latents, s) for s in (0.0, 1.0))
    assert not torch.allclose(null, conditional)
    expected = (1 - scale) * null + scale * conditional
    torch.testing.assert_close(at_scale(model, latents, scale), expected, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("scale", [0.0, 0.5, 1.0, 4.0])
def test_a_class_that_equals_null_gives_the_same_at_any_scale(model, latents, scale):
    model.mean[:], model.variance[:] = model.mean[-1], model.variance[-1]
    expected = eps_of(model, latents, model.null(3))
    torch.testing.assert_close(at_scale(model, latents, scale), expected, rtol=1e-12, atol=1e-12)


def test_both_branches_go_through_the_model_in_one_batch(model, latents):
    denoise = Guided(model, model.condition(entries(*ROWS)), 4.0)
    assert model.calls == []
    denoise(latents, T)
    (times, rows), *more = model.calls
    assert not more
    assert times == [T] * 6
    assert sorted(rows) == sorted([*ROWS, 3, 3, 3])


def test_every_image_is_guided_by_its_own_class(model, latents):
    together = at_scale(model, latents, 4.0)
    for i, row in enumerate(ROWS):
        alone = Guided(model, model.condition(entries(row)), 4.0)(latents[i : i + 1], T)
        torch.testing.assert_close(together[i : i + 1], alone, rtol=1e-12, atol=1e-12)


def test_a_condition_of_several_tensors_is_joined_tensor_by_tensor():
    """As text-to-image models have it: embeddings, pooled embeddings and so on, each first by image."""

    class Recorder:
        def null(self, n):
            return {"prompt": torch.zeros(n, 4, 2), "pooled": torch.zeros(n, 5)}

        def eps(self, latents, timesteps, condition):
            self.seen = condition
            return latents * condition["pooled"].mean(dim=1).view(-1, 1, 1, 1)

    model, condition = Recorder(), {"prompt": torch.ones(2, 4, 2), "pooled": torch.ones(2, 5)}
    result = Guided(model, condition, 3.0)(torch.ones(2, 3, 1, 1), T)
    assert {name: tuple(t.shape) for name, t in model.seen.items()} == {"prompt": (4, 4, 2), "pooled": (4, 5)}
    assert torch.equal(result, torch.full((2, 3, 1, 1), 3.0))


# ---------------------------------------------------------------- terms, and a learned variance


def doubled(latents, conditional, timestep, sigma):
    return 2 * conditional


@pytest.mark.parametrize("scale", [0.0, 1.0, 4.0])
def test_a_term_moves_the_conditional_branch_alone_so_that_the_scale_multiplies_it(model, latents, scale):
    conditional = at_scale(model, latents, 1.0)
    pulled = Guided(model, model.condition(entries(*ROWS)), scale, doubled)(latents, T)
    expected = at_scale(model, latents, scale) + scale * conditional
    torch.testing.assert_close(pulled, expected, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("sigma", [None, 1.5])
@pytest.mark.parametrize("scale", [1.0, 4.0])
def test_a_term_is_told_latents_prediction_timestep_and_sigma(model, latents, scale, sigma):
    told = []

    def pull(*arguments):
        told.append(arguments)
        return arguments[1]

    denoise = Guided(model, model.condition(entries(*ROWS)), scale, pull)
    found = denoise(latents, T) if sigma is None else denoise(latents, T, sigma)
    ((seen, conditional, timestep, noise),) = told
    assert torch.equal(seen, latents)
    torch.testing.assert_close(conditional, at_scale(model, latents, 1.0), rtol=1e-12, atol=1e-12)
    assert (timestep, noise) == (T, sigma)
    torch.testing.assert_close(found, at_scale(model, latents, scale), rtol=1e-12, atol=1e-12)


class Learned(GaussianDiffusion):
    """Says a place of its variance that names the class, so that branches can be told apart."""

    def eps_and_variance(self, latents, timesteps, condition):
        eps = self.eps(latents, timesteps, condition)
        return eps, condition["row"].double().view(-1, 1, 1, 1).expand_as(eps)


@pytest.mark.parametrize("pull", [None, doubled])
@pytest.mark.parametrize("scale", [0.0, 1.0, 4.0])
def test_with_variance_the_noise_is_the_same_and_the_variance_the_conditional_branchs(latents, scale, pull):
    model = Learned.random()
    condition = model.condition(entries(*ROWS))
    eps, place = Guided(model, condition, scale, pull).with_variance(latents, T)
    assert torch.equal(eps, Guided(model, condition, scale, pull)(latents, T))
    assert place.shape == latents.shape
    assert place[:, 0, 0, 0].tolist() == list(ROWS)


def test_a_model_without_a_learned_variance_says_none(model, latents):
    denoise = Guided(model, model.condition(entries(*ROWS)), 4.0).with_variance
    eps, place = denoise(latents, T)
    assert place is None
    assert torch.equal(eps, at_scale(model, latents, 4.0))


def test_with_variance_scale_one_never_asks_for_null(model, latents):
    model.null = None
    Guided(model, model.condition(entries(*ROWS)), 1.0).with_variance(latents, T)
    assert model.calls == [([T] * 3, list(ROWS))]


def test_with_variance_both_branches_go_through_the_model_in_one_batch(model, latents):
    Guided(model, model.condition(entries(*ROWS)), 4.0).with_variance(latents, T)
    assert model.calls == [([T] * 6, [*ROWS, 3, 3, 3])]
