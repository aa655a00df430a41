"""Identities of classifier-free guidance that hold for any model."""

import pytest
import torch
from tests.unit.gaussian import GaussianDiffusion, entries

from retort.methods.guidance import guided

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
    return guided(model, model.condition(entries(*ROWS)), scale)(latents, T)


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
    denoise = guided(model, model.condition(entries(*ROWS)), 4.0)
    assert model.calls == []
    denoise(latents, T)
    (times, rows), *more = model.calls
    assert not more
    assert times == [T] * 6
    assert sorted(rows) == sorted([*ROWS, 3, 3, 3])


def test_every_image_is_guided_by_its_own_class(model, latents):
    together = at_scale(model, latents, 4.0)
    for i, row in enumerate(ROWS):
        alone = guided(model, model.condition(entries(row)), 4.0)(latents[i : i + 1], T)
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
    result = guided(model, condition, 3.0)(torch.ones(2, 3, 1, 1), T)
    assert {name: tuple(t.shape) for name, t in model.seen.items()} == {"prompt": (4, 4, 2), "pooled": (4, 5)}
    assert torch.equal(result, torch.full((2, 3, 1, 1), 3.0))
