"""CoDA's guide: nothing at strength 0, its formula otherwise, and images that come nearer as it grows."""

from itertools import pairwise

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.helpers.gaussian import GaussianDiffusion, entries, linear_schedule
from tests.helpers.parts import sampling as sampling_by

from retort.methods.representative import pull_towards, stop_timestep
from retort.methods.sampling import sample

SHAPE = (2, 3, 2, 2)
ALPHAS = linear_schedule()
SAMPLERS = ["ddim", "ddpm", "dpm++"]


def draws(seed, count=3, dtype=torch.float64):
    rng = torch.Generator().manual_seed(seed)
    return [torch.randn(SHAPE, generator=rng, dtype=dtype) for _ in range(count)]


seeds, times = st.integers(0, 2**31), st.integers(0, len(ALPHAS) - 1)
sigmas = st.none() | st.floats(1e-3, 200)
dtypes = st.sampled_from([torch.float16, torch.float32, torch.float64])


# ---------------------------------------------------------------- one prediction


@given(seeds, times, sigmas, st.integers(-1, len(ALPHAS)), dtypes)
@settings(max_examples=150, deadline=None)
def test_strength_zero_changes_not_one_bit(seed, timestep, sigma, stop_at, dtype):
    latents, predicted, targets = draws(seed, dtype=dtype)
    found = pull_towards(targets, ALPHAS, 0.0, stop_at)(latents, predicted, timestep, sigma)
    assert torch.equal(found, predicted)


@given(seeds, times, sigmas, st.floats(0.01, 1), st.data())
@settings(max_examples=150, deadline=None)
def test_at_and_below_its_end_it_changes_not_one_bit_and_above_it_does(seed, stop_at, sigma, strength, data):
    latents, predicted, targets = draws(seed)
    pull = pull_towards(targets, ALPHAS, strength, stop_at)
    for timestep in (stop_at, data.draw(st.integers(0, stop_at))):
        assert torch.equal(pull(latents, predicted, timestep, sigma), predicted)
    if stop_at + 1 < len(ALPHAS):
        assert not torch.equal(pull(latents, predicted, stop_at + 1, sigma), predicted)


@given(seeds, times, sigmas, st.floats(-1, 2))
@settings(max_examples=150, deadline=None)
def test_the_formula_of_coda(seed, timestep, sigma, strength):
    latents, predicted, targets = draws(seed)
    found = pull_towards(targets, ALPHAS, strength, -1)(latents, predicted, timestep, sigma)
    signal = ALPHAS[timestep]
    clean = (latents - torch.sqrt(1 - signal) * predicted) / torch.sqrt(signal)
    own_sigma = torch.sqrt((1 - signal) / signal) if sigma is None else sigma
    moved = strength * own_sigma * (targets - clean)
    expected = predicted - torch.sqrt(signal) / torch.sqrt(1 - signal) * moved
    torch.testing.assert_close(found, expected, rtol=1e-9, atol=1e-9)


@given(seeds, times)
@settings(max_examples=50, deadline=None)
def test_the_clean_latent_that_is_implied_moves_towards_the_representative_and_full_strength_goes_by_sigma(seed, t):
    latents, predicted, targets = draws(seed)
    found = pull_towards(targets, ALPHAS, 0.01, -1)(latents, predicted, t, None)
    signal, ratio = ALPHAS[t], ((1 - ALPHAS[t]) / ALPHAS[t]).sqrt()
    before, after = ((latents - (1 - signal).sqrt() * eps) / signal.sqrt() for eps in (predicted, found))
    torch.testing.assert_close(after, before + 0.01 * ratio * (targets - before), rtol=1e-9, atol=1e-9)


def test_a_prediction_that_is_already_there_stays():
    latents, _, targets = draws(0)
    signal = ALPHAS[300]
    predicted = (latents - signal.sqrt() * targets) / (1 - signal).sqrt()
    found = pull_towards(targets, ALPHAS, 0.7, -1)(latents, predicted, 300, None)
    torch.testing.assert_close(found, predicted, rtol=1e-12, atol=1e-12)


def test_precision_is_that_of_the_prediction():
    latents, predicted, targets = draws(0, dtype=torch.float32)
    for sigma in (None, 1.5):
        assert pull_towards(targets, ALPHAS, 0.1, -1)(latents, predicted, 300, sigma).dtype == torch.float32


# ---------------------------------------------------------------- where it ends


@pytest.mark.parametrize(
    ("until", "expected"), [(0.0, 90), (0.05, 90), (0.1, 80), (0.5, 40), (0.89, 10), (0.9, 0), (1.0, 0)]
)
def test_the_end_is_the_timestep_after_the_share_of_the_grid(until, expected):
    assert stop_timestep(list(range(90, -1, -10)), until) == expected


@given(st.lists(times, min_size=1, max_size=60, unique=True), st.floats(0, 1))
@settings(max_examples=100, deadline=None)
def test_the_guided_steps_are_the_first_share_and_never_the_last_step(grid, until):
    grid = sorted(grid, reverse=True)
    end = stop_timestep(grid, until)
    guided = [t for t in grid if t > end]
    assert guided == grid[: min(int(len(grid) * until), len(grid) - 1)]


# ---------------------------------------------------------------- whole images


@pytest.fixture
def model():
    return GaussianDiffusion.random()


def sampled(model, sampler, strength, until=1.0, scale=1.0, turned=0, n=6):
    """Images of class 1 and their representatives (other data of the class); strength None is without a guide.

    turned: how many places the representatives are moved on.
    """
    targets, rng = model.draw(1, n, seed=9).roll(turned, 0), torch.Generator().manual_seed(2)
    fresh = lambda: torch.randn(n, *model.latent_shape, generator=rng, dtype=torch.float64)  # noqa: E731
    sampling = sampling_by(sampler, 25, None, scale, strength, until)
    model.calls.clear()
    found = sample(
        model,
        model.condition(entries(*[1] * n)),
        fresh(),
        sampling,
        [1] * n,
        None if strength is None else targets,
        fresh,
    )
    return found, targets


def distance(model, *arguments, **settings):
    found, targets = sampled(model, *arguments, **settings)
    return (found - targets).flatten(1).norm(dim=1)


@pytest.mark.parametrize("scale", [1.0, 4.0])
@pytest.mark.parametrize("sampler", SAMPLERS)
def test_images_come_nearer_to_their_representatives_as_strength_grows(model, sampler, scale):
    distances = [distance(model, sampler, s, scale=scale).mean() for s in (None, 0.002, 0.01, 0.03)]
    assert all(b < 0.999 * a for a, b in pairwise(distances)), distances


@pytest.mark.parametrize("sampler", SAMPLERS)
def test_each_image_comes_nearer_to_its_own_representative(model, sampler):
    own, targets = sampled(model, sampler, 0.2)
    other, _ = sampled(model, sampler, 0.2, turned=1)
    unguided, _ = sampled(model, sampler, None)
    near, far, without = ((found - targets).flatten(1).norm(dim=1) for found in (own, other, unguided))
    assert (near < far).all()
    assert (near < without).all()


@given(st.sampled_from(SAMPLERS), st.floats(0, 1), st.sampled_from([0.0, 1.0, 2.5]))
@settings(max_examples=25, deadline=None)
def test_a_guide_of_strength_zero_changes_no_bit_of_any_image(sampler, until, scale):
    model = GaussianDiffusion.random()
    unguided, _ = sampled(model, sampler, None, scale=scale)
    calls = list(model.calls)
    guided, _ = sampled(model, sampler, 0.0, until, scale)
    assert torch.equal(guided, unguided)
    assert model.calls == calls


@pytest.mark.parametrize("sampler", SAMPLERS)
def test_a_guide_that_ends_at_once_changes_no_bit_and_a_longer_one_pulls_more(model, sampler):
    unguided, _ = sampled(model, sampler, None)
    assert torch.equal(sampled(model, sampler, 0.01, until=0.0)[0], unguided)
    distances = [distance(model, sampler, 0.01, until=u).mean() for u in (0.0, 0.3, 0.7, 1.0)]
    assert distances[-1] < distances[0]
    assert len({round(d.item(), 9) for d in distances}) == 4


@pytest.mark.parametrize("sampler", SAMPLERS)
def test_guided_steps_are_counted_on_the_samplers_own_grid(model, sampler):
    """With until = 1 every timestep is pulled at but the last; with 0.5 the first half."""
    own = sampling_by(sampler, 10, None, 1.0).sampler.grid(model.alphas_cumprod, 10, None)
    for until, count in ((1.0, 9), (0.5, 5)):
        unguided, pulled, latent = [], [], torch.ones(1, *model.latent_shape, dtype=torch.float64)
        pull = pull_towards(torch.zeros_like(latent), model.alphas_cumprod, 0.1, stop_timestep(own, until))
        for t in own:
            (unguided if torch.equal(pull(latent, latent, t, None), latent) else pulled).append(t)
        assert pulled == own[:count]
        assert unguided == own[count:]
