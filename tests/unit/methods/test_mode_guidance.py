"""MGD3's guide: nothing at strength 0, its formula otherwise, on every sampler where its form makes sense."""

from itertools import pairwise

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.helpers.gaussian import GaussianDiffusion, entries
from tests.helpers.parts import sampling as sampling_by

from retort.methods.guidance import Guided
from retort.methods.mode_guidance import last_guided, shift_towards
from retort.methods.sampling import sample

SHAPE = (2, 3, 2, 2)
NOISY = [{"kind": "ddim", "eta": 0.7}, "ddpm"]
CASES = [("posterior", sampler) for sampler in NOISY]
CASES += [("clean", sampler) for sampler in ("ddim", "dpm++", *NOISY)]


def draws(seed, count=3):
    rng = torch.Generator().manual_seed(seed)
    return [torch.randn(SHAPE, generator=rng, dtype=torch.float64) for _ in range(count)]


@pytest.fixture
def model():
    return GaussianDiffusion.random()


# ---------------------------------------------------------------- one step


@given(st.integers(0, 2**31), st.integers(0, 999), st.integers(-1, 1000))
@settings(max_examples=60, deadline=None)
def test_nothing_moves_without_strength_or_at_and_below_the_end(seed, timestep, last):
    latents, clean, modes = draws(seed)
    assert shift_towards(modes, 0.0, last)(latents, clean, timestep, 0.3) is None
    moved = shift_towards(modes, 0.1, last)(latents, clean, timestep, 0.3)
    assert (moved is None) == (timestep <= last)


def test_the_formula_of_mgd3_with_a_deviation_of_every_element():
    latents, clean, modes = draws(1)
    deviation = draws(2)[0].abs()
    found = shift_towards(modes, 0.1, -1)(latents, clean, 500, deviation)
    torch.testing.assert_close(found, 0.1 * deviation * (modes - clean))
    torch.testing.assert_close(shift_towards(modes, 0.1, -1)(latents, clean, 500, None), 0.1 * (modes - clean))


@pytest.mark.parametrize(("steps", "until", "guided"), [(50, 0.5, 24), (50, 0.8, 39), (10, 1.0, 9), (10, 0.0, 0)])
def test_the_share_of_guided_steps_is_counted_as_the_reference_counts(steps, until, guided):
    """24 of 50 steps at its stop of 25, all but the last at its stop of 0."""
    grid = list(range(10 * (steps - 1), -1, -10))
    last = last_guided(grid, until)
    assert [t for t in grid if t > last] == grid[:guided]


def test_cfg_on_some_channels_leaves_the_others_conditional(model):
    latents, condition = draws(3)[0], model.condition(entries(0, 2))
    every, plain = (Guided(model, condition, scale)(latents, 400) for scale in (4.0, 1.0))
    some = Guided(model, condition, 4.0, channels=2)(latents, 400)
    assert torch.equal(some[:, :2], every[:, :2])
    assert torch.equal(some[:, 2:], plain[:, 2:])
    assert not torch.equal(every[:, 2:], plain[:, 2:])


def test_a_shift_of_the_clean_latents_moves_them_by_itself_whatever_the_guidance(model):
    latents, _, moved = draws(4)
    condition, signal = model.condition(entries(0, 2)), model.alphas_cumprod[400]

    def clean(*terms):
        eps = Guided(model, condition, 4.0, None, *terms)(latents, 400)
        return (latents - (1 - signal).sqrt() * eps) / signal.sqrt()

    torch.testing.assert_close(clean(lambda *_: moved) - clean(), moved, rtol=1e-9, atol=1e-9)
    assert torch.equal(clean(lambda *_: None), clean())


# ---------------------------------------------------------------- whole images


def sampled(model, form, sampler, strength, until=1.0, scale=2.0, turned=0, n=6):
    """Images of class 1 and their modes; strength None is without a guide."""
    targets, rng = model.draw(1, n, seed=9).roll(turned, 0), torch.Generator().manual_seed(2)
    fresh = lambda: torch.randn(n, *model.latent_shape, generator=rng, dtype=torch.float64)  # noqa: E731
    by = sampling_by(sampler, 25, None, scale, strength, until, form)
    aims = None if strength is None else targets
    found = sample(model, model.condition(entries(*[1] * n)), fresh(), by, [1] * n, aims, fresh)
    return found, targets


@pytest.mark.parametrize(("form", "sampler"), CASES, ids=str)
@pytest.mark.parametrize("scale", [0.0, 1.0, 2.5])
def test_a_guide_of_strength_zero_changes_no_bit_of_any_image(model, form, sampler, scale):
    unguided, _ = sampled(model, form, sampler, None, scale=scale)
    assert torch.equal(sampled(model, form, sampler, 0.0, scale=scale)[0], unguided)
    assert torch.equal(sampled(model, form, sampler, 0.1, until=0.0, scale=scale)[0], unguided)


@pytest.mark.parametrize(("form", "sampler"), CASES, ids=str)
def test_images_come_nearer_to_their_own_modes_as_strength_grows(model, form, sampler):
    distances = []
    for strength in (None, 0.02, 0.06, 0.15):
        found, targets = sampled(model, form, sampler, strength)
        distances.append((found - targets).flatten(1).norm(dim=1).mean())
    assert all(b < 0.999 * a for a, b in pairwise(distances)), distances
    other, _ = sampled(model, form, sampler, 0.15, turned=1)
    own, targets = sampled(model, form, sampler, 0.15)
    near, far = ((found - targets).flatten(1).norm(dim=1) for found in (own, other))
    assert (near < far).all()


@pytest.mark.parametrize(("form", "sampler"), CASES, ids=str)
def test_an_image_is_the_same_in_any_company(model, form, sampler):
    together, targets = sampled(model, form, sampler, 0.1)
    rng, n = torch.Generator().manual_seed(2), 6
    every = [torch.randn(n, *model.latent_shape, generator=rng, dtype=torch.float64) for _ in range(26)]
    by = sampling_by(sampler, 25, None, 2.0, 0.1, 1.0, form)
    for i in range(n):
        own = iter(noise[i : i + 1] for noise in every)
        condition = model.condition(entries(1))
        alone = sample(model, condition, next(own), by, [1], targets[i : i + 1], lambda own=own: next(own))
        torch.testing.assert_close(together[i : i + 1], alone, rtol=1e-6, atol=1e-6)


def test_the_posterior_form_moves_by_the_learned_variance(model):
    usual, _ = sampled(model, "posterior", "ddpm", 0.1)
    plain, _ = sampled(model, "posterior", "ddpm", None)
    model.place = 1.0
    wider, _ = sampled(model, "posterior", "ddpm", 0.1)
    unguided, _ = sampled(model, "posterior", "ddpm", None)
    assert not torch.allclose(wider - unguided, usual - plain, atol=1e-3)
