"""DDIM with fresh noise: step by step as the paper has it, and on a Gaussian, whose moments it keeps."""

import pytest
import torch
from diffusers.schedulers.scheduling_ddim import DDIMScheduler
from tests.helpers.gaussian import GaussianDiffusion, entries

from retort.methods.ddim import grid, sample
from retort.methods.guidance import Guided


@pytest.fixture
def model():
    return GaussianDiffusion.random()


def normal(model, n, seed):
    rng = torch.Generator().manual_seed(seed)
    return lambda: torch.randn(n, *model.latent_shape, generator=rng, dtype=torch.float64)


def denoiser(model, row, n, scale=1.0):
    return Guided(model, model.condition(entries(*[row] * n)), scale)


def walked(model, eta, steps, first, n=2, scale=2.0):
    """Latents before each step and behind the last, and the noise of each step that had some."""
    denoise, draw, shown, drawn = denoiser(model, 1, n, scale), normal(model, n, 1), [], []

    def spy(latents, t):
        shown.append(latents.clone())
        return denoise(latents, t)

    def noise():
        drawn.append(draw())
        return drawn[-1]

    shown.append(sample(normal(model, n, 0)(), spy, model.alphas_cumprod, steps, first, eta, noise))
    return shown, drawn


def no_noise():
    raise AssertionError("no noise is wanted")


@pytest.mark.parametrize("first", [11, 5])
def test_without_eta_no_noise_is_asked_for_and_every_bit_is_that_of_ddim(model, first):
    start, alphas = normal(model, 3, 0)(), model.alphas_cumprod
    usual = sample(start, denoiser(model, 1, 3), alphas, 12, first)
    assert torch.equal(sample(start, denoiser(model, 1, 3), alphas, 12, first, 0.0, no_noise), usual)
    found = sample(start, denoiser(model, 1, 3), alphas, 12, first, 0.3, normal(model, 3, 1))
    assert not torch.isclose(found, usual).flatten(1).all(dim=1).any()


@pytest.mark.parametrize("eta", [0.3, 1.0])
@pytest.mark.parametrize(("steps", "first"), [(50, 49), (50, 20), (30, 29)])
def test_every_step_is_that_of_the_paper(model, steps, first, eta):
    """Equations 12 and 16 of Song et al. 2021, in its own alphas; the last step of D3HR's grid goes up, without noise.

    From timestep 0 that one leads to timestep 1, where equation 16 has no deviation.
    """
    shown, drawn = walked(model, eta, steps, first)
    times, alphas = grid(model.alphas_cumprod, steps, first), model.alphas_cumprod
    assert len(drawn) == len(times) - 1
    targets = [max(1, t - 1000 // steps) for t in times]
    fresh = [*drawn, torch.zeros_like(drawn[0])]
    denoise = denoiser(model, 1, 2, 2.0)
    for t, then, before, after, z in zip(times, targets, shown[:-1], shown[1:], fresh, strict=True):
        eps, now, then = denoise(before, t), alphas[t], alphas[then]
        sigma = eta * torch.sqrt((1 - then) / (1 - now)) * torch.sqrt(1 - now / then) if t else torch.zeros(())
        predicted = (before - torch.sqrt(1 - now) * eps) / torch.sqrt(now)
        expected = torch.sqrt(then) * predicted + torch.sqrt(1 - then - sigma**2) * eps + sigma * z
        torch.testing.assert_close(after, expected, rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("eta", [0.0, 0.4, 1.0])
@pytest.mark.parametrize("place", [3, 20, 40])
def test_a_step_within_the_grid_is_that_of_diffusers(model, eta, place):
    scheduler = DDIMScheduler(clip_sample=False, set_alpha_to_one=False, timestep_spacing="leading", steps_offset=0)
    scheduler.alphas_cumprod = model.alphas_cumprod
    scheduler.set_timesteps(50)
    shown, drawn = walked(model, eta, 50, 49)
    t = scheduler.timesteps[place]
    assert t == grid(model.alphas_cumprod, 50, 49)[place]
    given = {"eta": eta, "variance_noise": drawn[place]} if eta else {}
    step = scheduler.step(denoiser(model, 1, 2, 2.0)(shown[place], int(t)), t, shown[place], **given)
    torch.testing.assert_close(shown[place + 1], step.prev_sample, rtol=1e-10, atol=1e-10)


def moments(model, row, steps, eta):
    """Mean and variance of what a grid of so many steps makes of noise: each step is an affine map and fresh noise."""
    mean, variance, stride = torch.zeros(model.latent_shape), torch.ones(model.latent_shape), 1000 // steps
    for t in range(stride * (steps - 1), -1, -stride):
        now, then = model.alphas_cumprod[t], model.alphas_cumprod[max(1, t - stride)]
        fresh = eta**2 * (1 - then) / (1 - now) * (1 - now / then) if t else torch.zeros(())
        gain = torch.sqrt(1 - now) / (1 - now + now * model.variance[row])  # of the predicted noise
        onward = torch.sqrt(1 - then - fresh) - torch.sqrt(then / now) * torch.sqrt(1 - now)
        grow = torch.sqrt(then / now) + onward * gain
        mean = grow * mean - onward * gain * torch.sqrt(now) * model.mean[row]
        variance = grow**2 * variance + fresh
    return mean, variance


@pytest.mark.parametrize("eta", [0.0, 0.5, 1.0])
@pytest.mark.parametrize("steps", [20, 200])
def test_samples_have_the_moments_that_the_steps_give_in_closed_form(model, steps, eta):
    n, row = 20_000, 1
    given = (model.alphas_cumprod, steps, steps - 1, eta, normal(model, n, 1))
    found = sample(normal(model, n, 0)(), denoiser(model, row, n), *given)
    mean, variance = moments(model, row, steps, eta)
    assert ((found.mean(dim=0) - mean).abs() / (variance / n).sqrt()).max() < 4
    assert ((found.var(dim=0) / variance - 1).abs() / (2 / n) ** 0.5).max() < 4


@pytest.mark.parametrize("eta", [0.0, 0.5, 1.0])
def test_the_moments_of_the_data_are_kept_the_better_the_finer_the_grid(model, eta):
    row, errors = 1, []
    for steps in (50, 200, 1000):
        mean, variance = moments(model, row, steps, eta)
        off = (mean - model.mean[row]).abs().max().item(), (variance / model.variance[row] - 1).abs().max().item()
        errors.append(off)
    (_, coarse), (_, middle), (_, fine) = errors
    assert coarse > 2 * middle > 4 * fine
    assert max(errors[-1]) < 0.025


def test_with_eta_one_what_an_image_becomes_is_fresh(model):
    """What remains of the start after ancestral steps, as a correlation; without eta everything remains."""
    n = 4000
    start = normal(model, n, 0)()

    def remains(eta):
        end = sample(start, denoiser(model, 1, n), model.alphas_cumprod, 50, 49, eta, normal(model, n, 1))
        a, b = ((x - x.mean(dim=0)) / x.std(dim=0) for x in (start, end))
        return (a * b).mean(dim=0)

    assert remains(0.0).min() > 0.999
    assert remains(1.0).abs().max() < 0.1
