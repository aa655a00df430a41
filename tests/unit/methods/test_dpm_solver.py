"""DPM-Solver++ on normal data, where the path from noise to data is known in closed form.

With y = x / sqrt(abar) and sigma^2 = 1 / abar - 1, data N(m, v) flow as y - m = constant * sqrt(v + sigma^2).
"""

from itertools import pairwise

import numpy as np
import pytest
import torch
from tests.helpers.gaussian import GaussianDiffusion, entries, linear_schedule

from retort.methods.dpm_solver import grid, sample
from retort.methods.guidance import Guided

ROW = 2


@pytest.fixture
def model():
    return GaussianDiffusion.random()


def exact_denoiser(model):
    """The exact noise at the solver's own sigma, which lies between timesteps."""

    def denoise(latents, timestep, sigma):
        signal = 1 / (1 + sigma**2)
        total = signal * model.variance[ROW] + 1 - signal
        return (1 - signal) ** 0.5 * (latents - signal**0.5 * model.mean[ROW]) / total

    return denoise


def noise(model, n=50, dtype=torch.float64):
    rng = torch.Generator().manual_seed(0)
    return torch.randn(n, *model.latent_shape, generator=rng, dtype=dtype)


def flow(model, latents, sigma_from, sigma_to):
    """Where the flow carries latents (x, not y) of one noise level at another."""
    mean, variance = model.mean[ROW], model.variance[ROW]
    shrink = ((variance + sigma_to**2) / (variance + sigma_from**2)) ** 0.5
    y = mean + shrink * (latents * (1 + sigma_from**2) ** 0.5 - mean)
    return y / (1 + sigma_to**2) ** 0.5


def error(model, steps, last=0):
    """Largest distance from the flow's exact end; the noise level there is that of the first step left out."""
    sigmas = grid(model.alphas_cumprod, steps)[1]
    run = len(grid(model.alphas_cumprod, steps, last)[0])
    end = sigmas[run] if run < steps else 0.0
    start = noise(model)
    found = sample(start, exact_denoiser(model), model.alphas_cumprod, steps, last)
    return (found - flow(model, start, sigmas[0], end)).abs().max().item()


def test_more_steps_converge_to_the_exact_flow(model):
    errors = [error(model, steps) for steps in (16, 32, 64, 128)]
    assert all(b < a / 3 for a, b in pairwise(errors)), errors  # of second order: a quarter each time
    assert errors[-1] < 5e-3, errors


def test_stopped_early_it_converges_to_the_flow_at_that_noise_level(model):
    errors = [error(model, steps, last=100) for steps in (32, 64, 128)]
    assert all(b < a / 3 for a, b in pairwise(errors)), errors
    assert errors[-1] < 5e-3, errors


def test_a_model_that_knows_only_timesteps_is_followed_to_their_rounding(model):
    denoise = Guided(model, model.condition(entries(*[ROW] * 50)), 1.0)
    found = sample(noise(model), denoise, model.alphas_cumprod, 100)
    sigma = grid(model.alphas_cumprod, 100)[1][0]
    assert (found - flow(model, noise(model), sigma, 0.0)).abs().max() < 0.05
    assert found.dtype == torch.float64


@pytest.mark.parametrize("steps", [1, 2, 5, 25, 100])
def test_the_grid_descends_from_the_noisiest_sigma_to_the_finest(steps):
    alphas = linear_schedule()
    ratios = ((1 - alphas) / alphas).sqrt()
    timesteps, sigmas = grid(alphas, steps)
    assert len(timesteps) == len(sigmas) == steps
    assert sigmas[0] == pytest.approx(ratios[-1].item(), rel=1e-4)
    assert all(a > b for a, b in pairwise(sigmas))
    assert all(a >= b for a, b in pairwise(timesteps))
    assert 0 <= timesteps[-1] <= timesteps[0] == 999
    if steps > 1:
        assert sigmas[-1] == pytest.approx(ratios[0].item(), rel=1e-3)
        # Karras et al. 2022, equation 5: the seventh roots are evenly spaced
        steps_of_root = np.diff(np.array(sigmas) ** (1 / 7))
        np.testing.assert_allclose(steps_of_root, steps_of_root.mean(), rtol=1e-3)
    nearest = [(ratios.log() - np.log(s)).abs().argmin().item() for s in sigmas]
    assert np.abs(np.array(nearest) - timesteps).max() <= 1


@pytest.mark.parametrize("last", [1, 50, 200, 999])
def test_last_cuts_the_grid_and_nothing_else(last):
    alphas = linear_schedule()
    whole, cut = grid(alphas, 25), grid(alphas, 25, last)
    kept = sum(t >= last for t in whole[0])
    assert 0 < kept < 25
    assert cut == (whole[0][:kept], whole[1][:kept])


def recorded(model, steps, last=0):
    """(timestep, sigma, latents) of every question, and the end."""
    asked, denoise = [], exact_denoiser(model)

    def spy(latents, timestep, sigma):
        asked.append((timestep, sigma, latents.clone()))
        return denoise(latents, timestep, sigma)

    return asked, sample(noise(model), spy, model.alphas_cumprod, steps, last)


def test_the_model_is_asked_along_the_grid(model):
    asked, _ = recorded(model, 12)
    assert ([t for t, *_ in asked], [s for _, s, _ in asked]) == grid(model.alphas_cumprod, 12)
    assert torch.equal(asked[0][2], noise(model))


def test_stopping_early_gives_what_the_next_step_would_have_been_shown(model):
    whole, _ = recorded(model, 12)
    asked, early = recorded(model, 12, last=100)
    assert 0 < len(asked) < 12
    assert torch.equal(early, whole[len(asked)][2])


def test_every_image_is_independent_of_its_company(model):
    start = noise(model)
    together = sample(start, exact_denoiser(model), model.alphas_cumprod, 10)
    alone = sample(start[7:8], exact_denoiser(model), model.alphas_cumprod, 10)
    torch.testing.assert_close(together[7:8], alone, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("steps", [0, -3, 1001])
def test_steps_that_cannot_be_taken_are_an_error(model, steps):
    with pytest.raises(ValueError, match=rf"steps must lie in 1\.\.1000, found {steps}"):
        grid(model.alphas_cumprod, steps)
    with pytest.raises(ValueError, match=rf"steps must lie in 1\.\.1000, found {steps}"):
        sample(noise(model), exact_denoiser(model), model.alphas_cumprod, steps)
