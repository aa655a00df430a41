"""Repulsion of a set's latents: by its formula, of one, two and equal images, whatever their order and channels."""

import math

import pytest
import torch
from tests.helpers.gaussian import GaussianDiffusion, entries

from retort.methods.repulsion import repulsion, stein
from retort.methods.sampling import Sampling, sample
from retort.parts.guides import Course
from retort.parts.resolve import part_of

FORMS = {"pairs": lambda x: repulsion(x), "stein": lambda x: stein(x, 0.1 * x.flip(0), 2.0)}


def drawn(n, shape=(4, 3, 3), seed=0):
    return torch.randn(n, *shape, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("n", [3, 4, 5, 6, 11])
@pytest.mark.parametrize("shape", [(4, 3, 3), (16, 2, 2), (1, 5, 5)])
def test_it_is_the_formula_written_out_in_double_precision(n, shape):
    latents = drawn(n, shape)
    flat = latents.double().flatten(1)
    for i in range(n):
        away = [flat[i] - flat[j] for j in range(n) if j != i]
        lengths = sorted(v.norm().item() for v in away)
        width = lengths[(n - 2) // 2] ** 2 / math.log(n - 1) if n > 3 else lengths[0] ** 2 / math.log(2)
        wanted = sum(2 * math.exp(-(v.norm().item() ** 2) / width) * v / width for v in away)
        torch.testing.assert_close(repulsion(latents)[i].flatten().double(), wanted, rtol=1e-4, atol=1e-6)


def test_two_images_are_pushed_straight_apart_by_as_much_as_the_width_of_three_says():
    latents = drawn(2)
    away = latents[0] - latents[1]
    wanted = math.log(2) * away / away.square().sum()
    torch.testing.assert_close(repulsion(latents), torch.stack([wanted, -wanted]), rtol=1e-5, atol=1e-7)


@pytest.mark.parametrize("form", FORMS)
def test_an_image_alone_is_not_moved(form):
    assert torch.equal(FORMS[form](drawn(1)), torch.zeros(1, 4, 3, 3))


@pytest.mark.parametrize("n", [2, 3, 4, 7])
def test_equal_images_do_not_move_each_other_and_nothing_is_lost(n):
    same = drawn(1).expand(n, -1, -1, -1)
    assert repulsion(same).norm() < same.norm()
    near = same.clone()
    near[0] += 1e-3
    assert repulsion(near).isfinite().all()
    assert stein(near, near, 2.0).isfinite().all()
    assert not repulsion(torch.zeros(n, 4, 2, 2)).any()


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("n", [2, 5])
def test_it_does_not_depend_on_the_order_of_the_images(form, n):
    latents, turn = drawn(n), torch.randperm(n, generator=torch.Generator().manual_seed(1))
    eps = drawn(n, seed=3)
    found = {"pairs": lambda rows: repulsion(latents[rows]), "stein": lambda rows: stein(latents[rows], eps[rows], 2.0)}
    torch.testing.assert_close(found[form](turn), found[form](torch.arange(n))[turn], rtol=1e-5, atol=1e-6)


def test_the_step_along_it_moves_each_image_away_from_its_nearest():
    latents = drawn(5)
    moved = latents + 0.05 * repulsion(latents)
    before, after = (torch.pdist(x.flatten(1)) for x in (latents, moved))
    assert (after > before).all()


def test_half_precision_gives_what_single_precision_gives_of_the_same_numbers():
    half = drawn(4).half()
    assert torch.equal(repulsion(half), repulsion(half.float()))


# ---------------------------------------------------------------- the guide


ALPHAS = torch.linspace(0.9999, 0.005, 1000, dtype=torch.float64)


def shift_of(n=4, **keys):
    part = part_of("guides", {"kind": "repulsion"} | keys)
    return part.shift(Course(ALPHAS, list(range(900, -1, -100)), [1] * n, None))


def test_the_guide_pushes_where_sigma_is_at_least_the_least_and_not_below():
    latents, clean = drawn(4), drawn(4, seed=1)
    for timestep in (900, 600, 400, 100, 0):
        signal = float(ALPHAS[timestep])
        sigma = ((1 - signal) / signal) ** 0.5
        moved = shift_of(strength=0.5)(latents, clean, timestep, None)
        assert (moved is None) == (sigma < 1)
        if moved is not None:
            torch.testing.assert_close(moved, 0.5 * sigma**2 * repulsion(latents))
        assert shift_of(least_sigma=0)(latents, clean, timestep, None) is not None
        assert shift_of(strength=0)(latents, clean, timestep, None) is None
        assert shift_of(n=1)(latents[:1], clean[:1], timestep, None) is None


@pytest.mark.parametrize("sampler", ["ddim", "ddpm", "dpm++", "pndm", {"kind": "dpm++", "spacing": "linspace"}])
@pytest.mark.parametrize("guidance", [0.0, 1.0, 3.0])
def test_sampled_images_lie_farther_apart_as_strength_grows_on_every_sampler(sampler, guidance):
    model = GaussianDiffusion.random(4, (4, 4, 4))
    fresh = [
        torch.randn(5, 4, 4, 4, generator=torch.Generator().manual_seed(i), dtype=torch.float64) for i in range(21)
    ]

    def spread(strength):
        guides = [part_of("guides", {"kind": "repulsion", "strength": strength})]
        draws = iter(fresh[1:])
        by = Sampling(part_of("samplers", sampler), 12, None, guidance, guides)
        found = sample(model, model.condition(entries(*[1] * 5)), fresh[0], by, [1] * 5, None, lambda: next(draws))
        return torch.pdist(found.flatten(1)).mean().item()

    distances = [spread(strength) for strength in (0.0, 1.0, 4.0)]
    assert distances[0] < distances[1] < distances[2]
