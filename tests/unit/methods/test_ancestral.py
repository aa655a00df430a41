"""Ancestral sampling on a model that is known exactly: every step is an affine map of the latents plus noise.

The formulas here are those of a product of two normal distributions (what is known before the step, and where the
clean latent is), not the code's weights on the clean and the noisy latent.
"""

from itertools import pairwise

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.helpers.gaussian import GaussianDiffusion, entries, linear_schedule

from retort.methods.ancestral import respace, sample
from retort.methods.guidance import Guided

ROW = 1
PLACES = [None, -1.0, 0.0, 0.3, 1.0]


@pytest.fixture
def model():
    return GaussianDiffusion.random()


def denoiser(model, n, place=None):
    model.place = place
    return Guided(model, model.condition(entries(*[ROW] * n)), 1.0).with_variance


def normal(model, n, seed):
    """A source of standard normal latents (n, C, H, W)."""
    rng = torch.Generator().manual_seed(seed)
    return lambda: torch.randn(n, *model.latent_shape, generator=rng, dtype=torch.float64)


def variances(alphas, steps):
    """(smallest, largest) variance of the noise of each step i = 1..S-1 of the respaced schedule, by index."""
    times = np.round(np.linspace(0, len(alphas) - 1, steps)).astype(int)
    signal = alphas.numpy()[times]
    ratio = signal[1:] / signal[:-1]
    # A precision of 1 / (1 - abar) from the clean latent, one of ratio / (1 - ratio) from the noisier latent.
    smallest = 1 / (1 / (1 - signal[:-1]) + ratio / (1 - ratio))
    return dict(enumerate(smallest, 1)), dict(enumerate(1 - ratio, 1))


def step_variance(alphas, steps, index, place):
    smallest, largest = (v[index] for v in variances(alphas, steps))
    return smallest if place is None else smallest ** ((1 - place) / 2) * largest ** ((1 + place) / 2)


def sampled_moments(model, steps, place):
    """Mean and variance (C, H, W) of what sampling from pure noise must give."""
    alphas = model.alphas_cumprod
    times = np.round(np.linspace(0, len(alphas) - 1, steps)).astype(int)
    mean, variance = torch.zeros_like(model.mean[ROW]), torch.ones_like(model.mean[ROW])
    for index in reversed(range(steps)):
        signal = alphas[times[index]].item()
        before = alphas[times[index - 1]].item() if index else 1.0
        # E[x0 | x] of a normal x0 = mean + gain (x - sqrt(abar) mean)
        gain = signal**0.5 * model.variance[ROW] / (signal * model.variance[ROW] + 1 - signal)
        clean = model.mean[ROW] + gain * (mean - signal**0.5 * model.mean[ROW])
        if index == 0:
            return clean, gain**2 * variance
        ratio = signal / before
        precision = 1 / (1 - before) + ratio / (1 - ratio)
        of_clean, of_noisy = before**0.5 / (1 - before) / precision, ratio**0.5 / (1 - ratio) / precision
        mean = of_clean * clean + of_noisy * mean
        variance = (of_clean * gain + of_noisy) ** 2 * variance + step_variance(alphas, steps, index, place)


# ---------------------------------------------------------------- what comes out


def assert_moments(found, mean, variance):
    """Within five standard errors, coordinate by coordinate."""
    n = len(found)
    assert ((found.mean(dim=0) - mean).abs() < 5 * (variance / n).sqrt()).all()
    assert ((found.var(dim=0) / variance - 1).abs() < 5 * (2 / n) ** 0.5).all()


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("steps", [2, 7, 50])
def test_samples_have_the_moments_that_the_steps_imply(model, steps, place):
    n = 4000
    draw = normal(model, n, seed=steps)
    found = sample(draw(), denoiser(model, n, place), model.alphas_cumprod, steps, draw)
    assert found.dtype == torch.float64
    assert_moments(found, *sampled_moments(model, steps, place))


@pytest.mark.parametrize("place", [None, 1.0])
def test_with_every_timestep_samples_have_the_mean_and_variance_of_the_class(model, place):
    n, steps = 1500, len(model.alphas_cumprod)
    draw = normal(model, n, seed=0)
    found = sample(draw(), denoiser(model, n, place), model.alphas_cumprod, steps, draw)
    mean, variance = sampled_moments(model, steps, place)
    torch.testing.assert_close(mean, model.mean[ROW], rtol=0, atol=0.01)
    torch.testing.assert_close(variance, model.variance[ROW], rtol=0.05, atol=0)
    assert_moments(found, model.mean[ROW], model.variance[ROW])
    assert (model.mean[ROW] - model.mean[ROW - 1]).abs().max() > 0.5  # another class would fail


# ---------------------------------------------------------------- the noise of a step


def watched(model, steps, place, noise):
    """The latents that the model is shown, its timesteps, and the result; from zeros, with the same noise each step."""
    shown, times = [], []

    def denoise(latents, timestep):
        shown.append(latents.clone())
        times.append(timestep)
        return torch.zeros_like(latents), None if place is None else torch.full_like(latents, place)

    start = torch.zeros(1, *model.latent_shape, dtype=torch.float64)
    asked = []

    def source():
        asked.append(1)
        return torch.full_like(start, noise)

    result = sample(start, denoise, model.alphas_cumprod, steps, source)
    return shown, times, result, len(asked)


@pytest.mark.parametrize(("place", "which"), [(None, 0), (-1.0, 0), (1.0, 1)])
@pytest.mark.parametrize("steps", [2, 3, 50])
def test_the_first_steps_noise_has_the_smallest_or_the_largest_variance(model, steps, place, which):
    shown, *_ = watched(model, steps, place, noise=1.0)  # the mean stays 0: from 0, with no predicted noise
    expected = variances(model.alphas_cumprod, steps)[which][steps - 1] ** 0.5
    torch.testing.assert_close(shown[1], torch.full_like(shown[1], expected), rtol=1e-9, atol=0)


@given(st.floats(-1, 1), st.floats(-1, 1))
@settings(max_examples=50, deadline=None)
def test_a_higher_place_never_gives_less_noise_and_the_places_lie_between_the_two_ends(one, other):
    model = GaussianDiffusion.random()
    low, high = sorted((one, other))
    deviations = [watched(model, 10, place, 1.0)[0][1].mean().item() for place in (-1.0, low, high, 1.0)]
    assert all(a <= b * (1 + 1e-12) for a, b in pairwise(deviations))
    assert deviations[0] < deviations[3]


def test_no_learned_variance_is_the_smallest_to_the_last_bit(model):
    none, smallest = (watched(model, 20, place, noise=1.0)[2] for place in (None, -1.0))
    assert torch.equal(none, smallest)


def test_each_coordinate_has_a_place_of_its_own(model):
    draw, n = normal(model, 1, seed=3), 1
    start, noises = draw(), [draw() for _ in range(4)]
    place = torch.linspace(-1, 1, start.numel(), dtype=torch.float64).view_as(start)

    def result(where):
        eps = denoiser(model, n)
        return sample(start, lambda x, t: (eps(x, t)[0], where), model.alphas_cumprod, 5, iter(noises).__next__)

    together, alone = result(place), [result(torch.full_like(place, v)) for v in (-1.0, 1.0)]
    torch.testing.assert_close(together.flatten()[0], alone[0].flatten()[0], rtol=1e-12, atol=0)
    torch.testing.assert_close(together.flatten()[-1], alone[1].flatten()[-1], rtol=1e-12, atol=0)


@pytest.mark.parametrize("steps", [2, 3, 17, 50])
def test_noise_is_asked_for_once_a_step_but_for_the_last(model, steps):
    shown, times, _, asked = watched(model, steps, 0.5, noise=1.0)
    assert asked == steps - 1
    assert len(shown) == steps
    assert times == respace(model.alphas_cumprod, steps).timesteps[::-1]


@pytest.mark.parametrize("place", PLACES)
def test_the_last_step_adds_no_noise_and_gives_the_clean_latent_itself(model, place):
    asked = []
    predict = denoiser(model, 2, place)

    def denoise(latents, timestep):
        eps, where = predict(latents, timestep)
        signal = model.alphas_cumprod[timestep]
        asked.append((latents - (1 - signal).sqrt() * eps) / signal.sqrt())
        return eps, where

    draw = normal(model, 2, seed=1)
    found = sample(draw(), denoise, model.alphas_cumprod, 10, draw)
    torch.testing.assert_close(found, asked[-1], rtol=1e-12, atol=1e-12)


def test_the_precision_of_the_latents_is_kept(model):
    start = torch.randn(1, *model.latent_shape, generator=torch.Generator().manual_seed(0))

    def denoise(latents, timestep):
        assert latents.dtype == torch.float32
        return 0.1 * latents, torch.zeros_like(latents)

    assert sample(start, denoise, model.alphas_cumprod, 6, lambda: torch.ones_like(start)).dtype == torch.float32


# ---------------------------------------------------------------- the respaced schedule


@given(st.data(), st.integers(30, 1200))  # the linear schedule takes more than 20
@settings(max_examples=100, deadline=None)
def test_a_respaced_schedule_goes_evenly_from_the_first_to_the_last_timestep(data, total):
    steps = data.draw(st.integers(2, total))
    alphas = linear_schedule(total)
    schedule = respace(alphas, steps)
    times = np.array(schedule.timesteps)
    assert (times[0], times[-1], len(times)) == (0, total - 1, steps)
    assert (np.diff(times) > 0).all()
    assert np.abs(times - np.linspace(0, total - 1, steps)).max() <= 0.5 + 1e-9
    np.testing.assert_array_equal(schedule.alphas_cumprod, alphas.numpy()[times])
    np.testing.assert_allclose(np.cumprod(1 - schedule.betas), schedule.alphas_cumprod, rtol=1e-9)
    assert schedule.posterior_variance[0] == 0
    assert (schedule.posterior_variance[1:] > 0).all()
    assert (schedule.posterior_variance < schedule.betas).all()


def test_all_steps_are_the_schedule_itself():
    alphas = linear_schedule(1000)
    schedule = respace(alphas, 1000)
    assert schedule.timesteps == list(range(1000))
    np.testing.assert_allclose(schedule.betas, np.linspace(1e-4, 0.02, 1000), rtol=1e-9)


@pytest.mark.parametrize("steps", [-1, 0, 1, 101])
def test_steps_that_cannot_be_taken_are_an_error(steps):
    with pytest.raises(ValueError, match=rf"steps must lie in 2\.\.100, found {steps}"):
        respace(linear_schedule(100), steps)
    with pytest.raises(ValueError, match=rf"steps must lie in 2\.\.100, found {steps}"):
        sample(torch.zeros(1, 1, 1, 1), lambda x, t: (x, None), linear_schedule(100), steps, lambda: None)
