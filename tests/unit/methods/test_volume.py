"""Volume and mean of a set: their gradients against autograd, of one, two and equal images, in any order."""

import pytest
import torch
from tests.helpers.gaussian import GaussianDiffusion, entries

from retort.methods.sampling import Sampling, sample
from retort.methods.volume import mean_gradient, volume_gradient
from retort.parts.guides import Course
from retort.parts.resolve import part_of

SHAPES = [(4, 3, 3), (16, 2, 2), (1, 4, 4)]
SAMPLERS = ["ddim", {"kind": "ddim", "eta": 1.0}, "ddpm", "dpm++", "pndm", {"kind": "pndm", "partial": "reference"}]


def drawn(n, shape=(4, 3, 3), seed=0):
    return torch.randn(n, *shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def by_autograd(function, latents):
    latents = latents.clone().requires_grad_(True)
    return torch.autograd.grad(function(latents), latents)[0]


def volume_of(latents, epsilon):
    flat = torch.nn.functional.normalize(latents.flatten(1))
    return -torch.logdet(flat @ flat.T + epsilon * torch.eye(len(flat), dtype=torch.float64))


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("n", [2, 3, 8, 20])
@pytest.mark.parametrize("epsilon", [1e-3, 0.5])
def test_the_volumes_gradient_is_autograds(shape, n, epsilon):
    """Of independent latents, and of near ones, as those of a class are at the end; also of more than a latent has
    numbers."""
    for latents in (drawn(n, shape), drawn(1, shape, seed=1) + 0.5 * drawn(n, shape), 30 * drawn(n, shape)):
        wanted = by_autograd(lambda x: volume_of(x, epsilon), latents)
        found = volume_gradient(latents, epsilon).double()
        assert (found - wanted).abs().max() <= 2e-3 * wanted.abs().max()
        usual = n * 2 < latents[0].numel()
        assert not usual or (found - wanted).abs().max() <= 5e-5 * wanted.abs().max()


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("n", [1, 2, 8])
@pytest.mark.parametrize("signal", [0.01, 0.7, 1.0])
def test_the_means_gradient_is_autograds(shape, n, signal):
    latents, mean = drawn(n, shape), drawn(1, shape, seed=2)[0]
    wanted = by_autograd(lambda x: (x.mean(dim=0) - signal**0.5 * mean).square().mean(), latents)
    torch.testing.assert_close(mean_gradient(latents, mean, signal).double(), wanted, rtol=1e-5, atol=1e-8)


def test_an_image_alone_has_no_volume_and_equal_images_a_finite_one():
    assert torch.equal(volume_gradient(drawn(1), 1e-3), torch.zeros(1, 4, 3, 3))
    same = drawn(1).expand(4, -1, -1, -1)
    found = volume_gradient(same, 1e-3)
    assert found.isfinite().all()
    assert found.abs().max() < 1e-2  # rounding, where A is 1 / epsilon
    assert volume_gradient(torch.zeros(3, 4, 2, 2), 1e-3).isfinite().all()


def test_steps_against_the_gradients_enlarge_the_volume_and_reach_the_mean():
    latents, mean = drawn(1, seed=1) + 0.3 * drawn(6), drawn(1, seed=2)[0]
    volumes = [volume_of(latents, 1e-3).item()]
    for _ in range(5):
        latents = latents - 0.5 * volume_gradient(latents, 1e-3)
        volumes.append(volume_of(latents, 1e-3).item())
    assert volumes == sorted(volumes, reverse=True)
    assert volumes[-1] < volumes[0] - 1
    reached = latents - latents.numel() / 2 * mean_gradient(latents, mean, 0.25)  # the whole way
    torch.testing.assert_close(reached.mean(dim=0), 0.5 * mean, rtol=0, atol=1e-5)
    torch.testing.assert_close(reached - reached.mean(dim=0), latents - latents.mean(dim=0), rtol=0, atol=1e-5)


@pytest.mark.parametrize("n", [2, 7])
def test_they_do_not_depend_on_the_order_of_the_images(n):
    latents, turn = drawn(n), torch.randperm(n, generator=torch.Generator().manual_seed(1))
    torch.testing.assert_close(
        volume_gradient(latents[turn], 1e-3), volume_gradient(latents, 1e-3)[turn], rtol=1e-4, atol=1e-6
    )


# ---------------------------------------------------------------- the guide


def sampled(sampler, n=6, first=None, **keys):
    model = GaussianDiffusion.random(4, (4, 4, 4))
    draws = iter([drawn(n, (4, 4, 4), seed=i) for i in range(30)])
    guides = [part_of("guides", {"kind": "volume"} | keys)] if keys else []
    by = Sampling(part_of("samplers", sampler), 12, first, 1.5, guides)
    means = model.mean[1].expand(n, -1, -1, -1)
    labels, condition = [1] * n, model.condition(entries(*[1] * n))
    found = sample(model, condition, next(draws), by, labels, None, lambda: next(draws), means=means)
    return found, model.mean[1]


@pytest.mark.parametrize("first", [None, 7])
@pytest.mark.parametrize("sampler", SAMPLERS, ids=str)
def test_the_mean_of_a_set_comes_nearer_to_the_classs_on_every_sampler(sampler, first):
    away = []
    for strength in (0.0, 20.0, 100.0):
        found, mean = sampled(sampler, first=first, volume_strength=0.0, mean_strength=strength)
        away.append((found.mean(dim=0) - mean).norm().item())
    assert away[0] > away[1] > away[2]


@pytest.mark.parametrize("sampler", SAMPLERS, ids=str)
def test_a_set_spans_more_on_every_sampler(sampler):
    volumes = []
    for strength in (0.0, 0.3, 1.0):
        found, _ = sampled(sampler, volume_strength=strength, mean_strength=0.0)
        volumes.append(volume_of(found, 1e-3).item())
    assert volumes[0] > volumes[1] > volumes[2]


@pytest.mark.parametrize("sampler", SAMPLERS, ids=str)
def test_without_strength_or_time_not_a_bit_changes(sampler):
    usual, _ = sampled(sampler)
    for keys in ({"volume_strength": 0.0, "mean_strength": 0.0}, {"until": 0.0}):
        assert torch.equal(sampled(sampler, **keys)[0], usual)


@pytest.mark.parametrize(("until", "moves"), [(1.0, 9), (0.5, 5), (0.55, 5), (0.1, 1), (0.05, 0), (0.0, 0)])
def test_latents_are_moved_after_a_share_of_the_steps_and_never_after_the_last(until, moves):
    grid = list(range(900, -1, -100))
    part = part_of("guides", {"kind": "volume", "until": until})
    move = part.move(Course(torch.linspace(0.99, 0.01, 1000), grid, [1, 1], None, means=drawn(2)))
    assert [move(drawn(2), timestep, 0.5) is not None for timestep in grid[1:]] == [True] * moves + [False] * (
        9 - moves
    )
