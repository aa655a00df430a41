"""One call for every sampler: the right one, asked where it says, with noise only where there is some."""

from dataclasses import replace

import pytest
import torch
from tests.helpers.gaussian import GaussianDiffusion, entries

from retort.methods import ancestral, ddim, dpm_solver
from retort.methods.guidance import guided, guided_with_variance
from retort.methods.sampling import Sampling, sample, timesteps

ROWS = (0, 2, 1, 1)
SETTINGS = {
    "ddim": Sampling("ddim", 12, None, 2.0),
    "inverted": Sampling("ddim", 12, 7, 2.0),
    "ddpm": Sampling("ddpm", 12, None, 2.0),
    "dpm++": Sampling("dpm++", 12, None, 2.0),
}


@pytest.fixture
def model():
    return GaussianDiffusion.random()


@pytest.fixture(params=SETTINGS)
def sampling(request):
    return SETTINGS[request.param]


def normal(model, n, seed):
    rng = torch.Generator().manual_seed(seed)
    return lambda: torch.randn(n, *model.latent_shape, generator=rng, dtype=torch.float64)


def condition(model):
    return model.condition(entries(*ROWS))


def sampled(model, sampling, targets=None):
    return sample(model, condition(model), normal(model, 4, 0)(), sampling, targets, normal(model, 4, 1))


def directly(model, sampling):
    latents, alphas, steps = normal(model, 4, 0)(), model.alphas_cumprod, sampling.steps
    denoise = guided(model, condition(model), sampling.guidance)
    match sampling.sampler:
        case "ddim":
            return ddim.sample(latents, denoise, alphas, steps, steps - 1 if sampling.first is None else sampling.first)
        case "ddpm":
            denoise = guided_with_variance(model, condition(model), sampling.guidance)
            return ancestral.sample(latents, denoise, alphas, steps, normal(model, 4, 1))
        case "dpm++":
            return dpm_solver.sample(latents, denoise, alphas, steps)


@pytest.mark.parametrize("place", [None, 0.5])
def test_every_sampler_is_the_one_that_it_is_called(model, sampling, place):
    model.place = place
    assert torch.equal(sampled(model, sampling), directly(model, sampling))


def test_samplers_differ(model):
    ends = [sampled(model, sampling) for sampling in SETTINGS.values()]
    assert all(not torch.allclose(a, b, atol=1e-3) for i, a in enumerate(ends) for b in ends[:i])


def test_the_learned_variance_reaches_the_ancestral_sampler_and_no_other(model, sampling):
    usual, model.place = sampled(model, sampling), 1.0
    assert torch.equal(sampled(model, sampling), usual) == (sampling.sampler != "ddpm")


@pytest.mark.parametrize("scale", [1.0, 2.0])
def test_the_model_is_asked_at_the_timesteps_that_are_told(model, sampling, scale):
    sampled(model, replace(sampling, guidance=scale))
    told = timesteps(model.alphas_cumprod, sampling)
    assert [times[0] for times, _ in model.calls] == told
    assert all(len(set(times)) == 1 for times, _ in model.calls)
    assert told == sorted(told, reverse=True)
    assert len(told) == (12 if sampling.first is None else sampling.first + 1)
    rows = [*ROWS] if scale == 1 else [*ROWS, 3, 3, 3, 3]
    assert all(found == rows for _, found in model.calls)


def test_only_the_ancestral_sampler_asks_for_noise(model, sampling):
    asked, draw = [], normal(model, 4, 1)

    def noise():
        asked.append(1)
        return draw()

    sample(model, condition(model), normal(model, 4, 0)(), sampling, None, noise)
    assert len(asked) == (11 if sampling.sampler == "ddpm" else 0)


def test_an_image_is_the_same_in_any_company(model, sampling):
    together = sampled(model, sampling)
    starts, noises = normal(model, 4, 0)(), normal(model, 4, 1)
    for i, row in enumerate(ROWS):
        own = normal(model, 4, 1)
        alone = sample(
            model,
            model.condition(entries(row)),
            starts[i : i + 1],
            sampling,
            None,
            lambda i=i, own=own: own()[i : i + 1],
        )
        torch.testing.assert_close(together[i : i + 1], alone, rtol=1e-6, atol=1e-6)
    assert noises().shape == together.shape


def test_a_start_on_the_grid_is_taken_as_it_lies_there(model):
    """From latents at the noise of step 7, without guidance: the class's own data come out."""
    stride, n = len(model.alphas_cumprod) // 50, 3000
    signal = model.alphas_cumprod[stride * 30]
    clean = model.draw(1, n, seed=3)
    noisy = signal.sqrt() * clean + (1 - signal).sqrt() * normal(model, n, 4)()
    settings = Sampling("ddim", 50, 30, 1.0)
    found = sample(model, model.condition(entries(*[1] * n)), noisy, settings, None, None)
    assert (found.mean(dim=0) - model.mean[1]).abs().max() < 0.1
    assert (found.var(dim=0) / model.variance[1] - 1).abs().max() < 0.15


@pytest.mark.parametrize("targets", [False, True])
def test_an_unknown_sampler_is_an_error(model, targets):
    unknown = Sampling("euler", 12, None, 2.0)
    with pytest.raises(ValueError, match=r"no sampler is called 'euler'; there are ddim, ddpm and dpm\+\+"):
        timesteps(model.alphas_cumprod, unknown)
    with pytest.raises(ValueError, match="no sampler is called 'euler'"):
        sampled(model, unknown, normal(model, 4, 5)() if targets else None)
