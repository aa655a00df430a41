"""The bound that teaches a network its variance, against diffusers' variances and torch's distributions."""

import math

import pytest
import torch
from diffusers import DDPMScheduler
from torch import Tensor
from torch.distributions import Normal, kl_divergence

from retort.models.variance_bound import VarianceBound

SCHEDULER = DDPMScheduler(variance_type="learned_range")
ABAR = SCHEDULER.alphas_cumprod.double()
TIMES = torch.tensor([1, 2, 40, 500, 998, 999])


@pytest.fixture(scope="module")
def bound() -> VarianceBound:
    return VarianceBound(SCHEDULER.alphas_cumprod)


def latents(seed: int, n: int = len(TIMES)) -> Tensor:
    return torch.randn(n, 2, 3, 3, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def noised(clean: Tensor, noise: Tensor, times: Tensor) -> Tensor:
    abar = ABAR[times].view(-1, 1, 1, 1)
    return abar.sqrt() * clean + (1 - abar).sqrt() * noise


def test_variances_are_those_of_diffusers_learned_range(bound):
    place = latents(0).clamp(-1, 1)
    pairs = zip(TIMES, place, strict=True)
    expected = torch.stack([SCHEDULER._get_variance(t, predicted_variance=p) for t, p in pairs])
    torch.testing.assert_close(bound.log_variance(place, TIMES), expected, rtol=2e-4, atol=2e-4)


def test_the_term_is_the_divergence_of_the_models_step_from_the_true_posterior(bound):
    clean, noise, eps, place = (latents(seed) for seed in range(4))
    noisy = noised(clean, noise, TIMES)
    expected = []
    for i, t in enumerate(TIMES.tolist()):
        beta, now, before = 1 - ABAR[t] / ABAR[t - 1], ABAR[t], ABAR[t - 1]
        guess = (noisy[i] - (1 - now).sqrt() * eps[i]) / now.sqrt()
        true, model = (
            before.sqrt() * beta / (1 - now) * x + (1 - beta).sqrt() * (1 - before) / (1 - now) * noisy[i]
            for x in (clean[i], guess)
        )
        std = (beta * (1 - before) / (1 - now)).sqrt()
        log_variance = (place[i] + 1) / 2 * beta.log() + (1 - place[i]) / 2 * std.square().log()
        divergence = kl_divergence(Normal(true, std), Normal(model, torch.exp(0.5 * log_variance)))
        expected.append(divergence.mean() / math.log(2))
    torch.testing.assert_close(bound(clean, noisy, eps, place, TIMES), torch.stack(expected), rtol=1e-6, atol=1e-8)


def test_at_the_clean_end_the_term_is_the_surprise_of_the_clean_latent(bound):
    clean, noise, eps, place = (latents(seed, 1) for seed in range(4))
    first = torch.zeros(1, dtype=torch.int64)
    noisy = noised(clean, noise, first)
    guess = (noisy - (1 - ABAR[0]).sqrt() * eps) / ABAR[0].sqrt()
    smallest = (1 - ABAR[1] / ABAR[0]) * (1 - ABAR[0]) / (1 - ABAR[1])  # its neighbour's stands in for 0
    log_variance = (place + 1) / 2 * (1 - ABAR[0]).log() + (1 - place) / 2 * smallest.log()
    expected = -Normal(guess, torch.exp(0.5 * log_variance)).log_prob(clean).mean() / math.log(2)
    assert bound(clean, noisy, eps, place, first).item() == pytest.approx(expected.item(), rel=1e-9)


def test_knowing_the_noise_and_the_posteriors_variance_costs_nothing(bound):
    clean, noise = latents(0), latents(1)
    cost = bound(clean, noised(clean, noise, TIMES), noise, -torch.ones_like(clean), TIMES)
    torch.testing.assert_close(cost, torch.zeros_like(cost), rtol=0, atol=1e-9)


def test_the_bound_teaches_the_variance_and_leaves_the_noise_alone(bound):
    clean, noise, eps, place = (latents(seed) for seed in range(4))
    eps.requires_grad_(), place.requires_grad_()
    bound(clean, noised(clean, noise, TIMES), eps, place, TIMES).sum().backward()
    assert eps.grad is None
    assert place.grad.abs().min() > 0


def test_a_term_of_a_schedule_of_fewer_steps_weighs_less_in_proportion():
    clean, noise, eps, place = (latents(seed, 1) for seed in range(4))
    time = torch.tensor([40])
    whole, tenth = VarianceBound(ABAR), VarianceBound(ABAR[:100])
    noisy = noised(clean, noise, time)
    ratio = whole(clean, noisy, eps, place, time) / tenth(clean, noisy, eps, place, time)
    assert ratio.item() == pytest.approx(10)
