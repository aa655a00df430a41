"""Typicality maps against a plain loop over draws, on a model that is known exactly."""

import math

import pytest
import torch
from tests.helpers.gaussian import GaussianDiffusion, entries

from retort.methods.typicality import draw_noises, squared_errors, typicality_maps
from retort.models.interface import join

DRAWS = 7


def drawn(model, draws=DRAWS, seed=0, low=0.1, high=0.7):
    rng = torch.Generator().manual_seed(seed)
    return draw_noises(model.latent_shape, draws, len(model.alphas_cumprod), low, high, rng)


def maps_by_loop(model, latents, classes, noises, timesteps):
    """One image, one draw and one branch at a time."""
    maps = []
    for latent, entry in zip(latents, classes, strict=True):
        total = torch.zeros(latent.shape[1:], dtype=torch.float64)
        for noise, t in zip(noises.double(), timesteps, strict=True):
            signal = model.alphas_cumprod[t]
            noisy = signal.sqrt() * latent + (1 - signal).sqrt() * noise
            null, own = (model.eps(noisy[None], t[None], c)[0] for c in (model.null(1), model.condition([entry])))
            total += ((noise - null) ** 2 - (noise - own) ** 2).mean(dim=0)
        maps.append(total / len(noises))
    return torch.stack(maps)


@pytest.fixture
def model():
    return GaussianDiffusion.random(shape=(3, 4, 5))


@pytest.fixture
def classes():
    return entries(0, 2, 1, 2)


@pytest.fixture
def latents(model):
    return torch.cat([model.draw(row, 2, seed=row) for row in (0, 1)])


def maps_of(model, latents, classes, draws, draws_per_batch=1):
    n = len(latents)
    return typicality_maps(model, latents, model.condition(classes), model.null(n), *draws, draws_per_batch)


@pytest.mark.parametrize("draws_per_batch", [1, 2, 3, DRAWS, DRAWS + 5])
def test_maps_equal_a_loop_over_images_draws_and_branches(model, latents, classes, draws_per_batch):
    draws = drawn(model)
    maps = maps_of(model, latents, classes, draws, draws_per_batch)
    assert maps.shape == (4, 4, 5)
    assert maps.dtype == torch.float32
    expected = maps_by_loop(model, latents, classes, *draws)
    torch.testing.assert_close(maps, expected.float(), rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("draws_per_batch", [1, 3, 100])
def test_every_draw_is_asked_once_for_every_image_and_branch(model, latents, classes, draws_per_batch):
    noises, timesteps = drawn(model)
    maps_of(model, latents, classes, (noises, timesteps), draws_per_batch)
    assert len(model.calls) == math.ceil(DRAWS / draws_per_batch)
    asked = [pair for times, rows in model.calls for pair in zip(times, rows, strict=True)]
    null = len(model.mean) - 1
    expected = [(t, row) for t in timesteps.tolist() for row in [*(c.index for c in classes), *[null] * 4]]
    assert sorted(asked) == sorted(expected)


def test_an_image_has_the_same_map_in_any_company(model, latents, classes):
    draws = drawn(model)
    together = maps_of(model, latents, classes, draws, 3)
    for i in range(len(latents)):
        alone = maps_of(model, latents[i : i + 1], classes[i : i + 1], draws, 3)
        torch.testing.assert_close(alone[0], together[i], rtol=1e-6, atol=1e-6)


def test_the_maps_of_draws_are_the_mean_of_the_maps_of_their_parts(model, latents, classes):
    noises, timesteps = drawn(model)
    whole = maps_of(model, latents, classes, (noises, timesteps))
    first = maps_of(model, latents, classes, (noises[:3], timesteps[:3]))
    rest = maps_of(model, latents, classes, (noises[3:], timesteps[3:]))
    torch.testing.assert_close(whole, (3 * first + (DRAWS - 3) * rest) / DRAWS, rtol=1e-5, atol=1e-6)


def test_data_of_a_class_are_typical_of_it_and_of_no_other(model):
    """The exact model of a class predicts noise in its data better than any other does."""
    data, draws = model.draw(0, 100, seed=5), drawn(model, draws=50)
    own, other = (maps_of(model, data, entries(c) * 100, draws).mean() for c in (0, 1))
    assert own > 0
    assert own > other
    nothing = typicality_maps(model, data, model.null(100), model.null(100), *draws)
    assert not nothing.any()


def test_a_map_points_at_the_place_where_the_class_differs():
    """Class and null are one distribution but for one corner."""
    mean, variance = torch.zeros(2, 2, 4, 4).double(), torch.ones(2, 2, 4, 4).double()
    mean[0, :, 3, 1] = 3.0
    base = GaussianDiffusion.random()
    model = GaussianDiffusion(mean, variance, base.alphas_cumprod)
    maps = maps_of(model, model.draw(0, 3, seed=1), entries(0, 0, 0), drawn(model, draws=30))
    assert (maps[:, 3, 1] > 0).all()
    elsewhere = torch.ones(4, 4, dtype=torch.bool)
    elsewhere[3, 1] = False
    assert not maps[:, elsewhere].any()


def test_squared_errors_come_by_draw_branch_and_image(model, latents, classes):
    noises, timesteps = drawn(model)
    branches = [model.condition(classes), model.null(4), model.condition(entries(1, 1, 1, 1))]
    errors = squared_errors(model, latents, branches, noises, timesteps)
    assert errors.shape == (DRAWS, 3, 4, 3, 4, 5)
    for draw, branch, image in ((0, 0, 1), (3, 2, 0), (6, 1, 3)):
        one = {key: value[image : image + 1] for key, value in branches[branch].items()}
        part = slice(draw, draw + 1)
        alone = squared_errors(model, latents[image : image + 1], [one], noises[part], timesteps[part])
        torch.testing.assert_close(errors[draw, branch, image], alone[0, 0, 0])


class Half(GaussianDiffusion):
    """Takes and gives float16, as a backbone on a GPU does."""

    def __init__(self, exact):
        super().__init__(exact.mean, exact.variance, exact.alphas_cumprod)
        self.dtype, self.seen = torch.float16, set()

    def eps(self, latents, timesteps, condition):
        self.seen.add(latents.dtype)
        return super().eps(latents.double(), timesteps, condition).half()


def test_a_half_precision_model_gets_half_precision_and_errors_are_squared_in_float32(model, latents, classes):
    half, draws = Half(model), drawn(model)
    maps = maps_of(half, latents.half(), classes, draws, 2)
    assert half.seen == {torch.float16}
    assert maps.dtype == torch.float32
    errors = squared_errors(half, latents.half(), [model.null(4)], *draws)
    assert errors.dtype == torch.float32
    torch.testing.assert_close(maps, maps_of(model, latents, classes, draws), rtol=0, atol=2e-3)


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_values_that_are_not_finite_stay_with_their_image(model, latents, classes, value):
    latents[2, 0, 1, 1] = value
    found = maps_of(model, latents, classes, drawn(model))
    assert found.isfinite().flatten(1).all(1).tolist() == [True, True, False, True]


def test_draws_that_do_not_fit_are_an_error(model, latents, classes):
    noises, timesteps = drawn(model)
    for draws in ((noises, timesteps[1:]), (noises[:, 1:], timesteps), (noises[:0], timesteps[:0])):
        with pytest.raises(ValueError, match=r"draws must be noises \(M, 3, 4, 5\)"):
            maps_of(model, latents, classes, draws)
    for wrong in (-1, len(model.alphas_cumprod)):
        with pytest.raises(ValueError, match=r"timesteps must lie in 0\.\.999"):
            maps_of(model, latents, classes, (noises, timesteps.clone().fill_(wrong)))
    with pytest.raises(ValueError, match="draws_per_batch must be at least 1, found 0"):
        maps_of(model, latents, classes, (noises, timesteps), 0)


def test_conditions_of_another_number_of_images_are_an_error(model, latents, classes):
    for pair in ((model.condition(classes), model.null(3)), (model.condition(classes[:1]), model.null(4))):
        with pytest.raises(ValueError, match="both conditions must be of 4 images, found tensors of"):
            typicality_maps(model, latents, *pair, *drawn(model))


@pytest.mark.parametrize(("low", "high", "timesteps"), [(0.1, 0.7, 1000), (0.0, 1.0, 10), (0.29, 0.57, 100)])
def test_timesteps_cover_the_shares_of_the_schedule_and_nothing_else(low, high, timesteps):
    _, times = draw_noises((1, 1, 1), 3000, timesteps, low, high, torch.Generator().manual_seed(0))
    first, end = round(low * timesteps), round(high * timesteps)
    assert times.min() >= first
    assert times.max() < end
    if timesteps <= 100:
        assert set(times.tolist()) == set(range(first, end))
    assert abs(times.double().mean() - (first + end - 1) / 2) < 0.05 * (end - first)


def test_draws_follow_from_their_generator_alone_and_fewer_are_the_beginning_of_more():
    shape = (2, 8, 8)
    many, few = (draw_noises(shape, n, 1000, 0.1, 0.7, torch.Generator().manual_seed(4)) for n in (200, 20))
    for a, b in zip(many, few, strict=True):
        torch.testing.assert_close(a[:20], b, rtol=0, atol=0)
    other = draw_noises(shape, 20, 1000, 0.1, 0.7, torch.Generator().manual_seed(5))
    assert not torch.equal(other[0], few[0])
    assert many[0].shape == (200, *shape)
    assert abs(many[0].mean()) < 0.03
    assert abs(many[0].std() - 1) < 0.03


@pytest.mark.parametrize(("low", "high"), [(0.5, 0.5), (0.7, 0.1), (-0.1, 0.5), (0.5, 1.1)])
def test_shares_that_leave_no_timestep_are_an_error(low, high):
    with pytest.raises(ValueError, match="0 <= low < high <= 1 is needed"):
        draw_noises((1, 1, 1), 1, 1000, low, high, torch.Generator())


def test_no_draws_are_an_error():
    with pytest.raises(ValueError, match="at least one draw, found 0"):
        draw_noises((1, 1, 1), 0, 1000, 0.1, 0.7, torch.Generator())


def test_conditions_of_several_tensors_are_joined_in_the_order_of_the_latents(latents, classes):
    """A text-to-image model has several; each must arrive beside its own latent."""

    class Recorder(GaussianDiffusion):
        def eps(self, latents, timesteps, condition):
            assert condition["pooled"].tolist() == (condition["row"] * 10).tolist()
            return super().eps(latents, timesteps, condition)

    base = GaussianDiffusion.random(shape=(3, 4, 5))
    model = Recorder(base.mean, base.variance, base.alphas_cumprod)
    condition, null = base.condition(classes), base.null(4)
    pair = [{**c, "pooled": c["row"] * 10} for c in (condition, null)]
    draws = drawn(base)
    maps = typicality_maps(model, latents, *pair, *draws, draws_per_batch=2)
    torch.testing.assert_close(maps, typicality_maps(base, latents, condition, null, *draws))
    assert join(*pair)["pooled"].shape == (8,)
