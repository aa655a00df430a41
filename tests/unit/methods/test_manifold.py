"""ManifoldGD's guide: MGD3's where its second term has no strength, and each image by itself with its own draws."""

import numpy as np
import pytest
import torch
from tests.helpers.gaussian import GaussianDiffusion, entries

from retort.methods.bisecting import bisecting_modes
from retort.methods.manifold import draws, radius_at, term
from retort.methods.sampling import Sampling, sample
from retort.parts.resolve import part_of

N, SEEDS = 4, [11, 12, 13, 14]
SHAPE = (3, 4, 4)
FORMS = [("posterior", "ddpm"), ("clean", "ddim"), ("clean", "dpm++")]


@pytest.fixture
def model():
    return GaussianDiffusion.random(shape=SHAPE)


def guide(form, **keys):
    return part_of("guides", {"kind": "manifold", "discovery": "any", "form": form} | keys)


def sampled(model, sampler, part, rows=range(N), seeds=SEEDS):
    """The images of these numbers of class 1."""
    rows, rng = list(rows), torch.Generator().manual_seed(2)
    every = [torch.randn(N, *SHAPE, generator=rng, dtype=torch.float64) for _ in range(13)]
    own = iter(noise[rows] for noise in every)
    by = Sampling(part_of("samplers", sampler), 12, None, 2.0, (part,) if part else ())
    targets = model.draw(1, N, seed=9)[rows]
    condition, labels = model.condition(entries(*[1] * len(rows))), [1] * len(rows)
    return sample(model, condition, next(own), by, labels, targets, lambda: next(own), [seeds[row] for row in rows])


@pytest.mark.parametrize(("form", "sampler"), FORMS)
def test_without_the_second_term_it_is_mgd3s_guide_and_without_both_it_is_none(model, form, sampler):
    mgd3 = {"discovery": "any", "form": form, "strength": 0.1, "until": 0.5}
    bare = sampled(model, sampler, guide(form, manifold_strength=0))
    assert torch.equal(bare, sampled(model, sampler, part_of("guides", mgd3)))
    still = sampled(model, sampler, guide(form, mode_strength=0, manifold_strength=0))
    assert torch.equal(still, sampled(model, sampler, None))
    assert not torch.allclose(bare, sampled(model, sampler, guide(form)), atol=1e-3)


@pytest.mark.parametrize(("form", "sampler"), FORMS)
def test_an_image_is_the_same_in_any_company_and_by_its_own_seed(model, form, sampler):
    together = sampled(model, sampler, guide(form))
    for row in range(N):
        alone = sampled(model, sampler, guide(form), [row])
        torch.testing.assert_close(together[row : row + 1], alone, rtol=1e-6, atol=1e-6)
    other = sampled(model, sampler, guide(form), seeds=[99, *SEEDS[1:]])
    assert not torch.allclose(other[0], together[0])
    assert torch.equal(other[1:], together[1:])


def test_the_term_points_to_the_plane_and_is_short_where_the_latent_is_near():
    generator, mode = torch.Generator().manual_seed(0), torch.zeros(SHAPE)
    drawn = draws(SHAPE, generator)
    far, near = torch.full(SHAPE, 5.0), drawn[0][0].reshape(SHAPE) * 1e-3
    lengths = [term(at, mode, drawn, 1.0, 0.2, 40.0, 3).norm().item() for at in (far, near)]
    assert lengths[1] < lengths[0] < 1
    assert term(far, mode, drawn, 1.0, 0.2, 1e-3, 3).norm().item() == pytest.approx(1, abs=1e-5)
    towards = term(far, mode, drawn, 1.0, 0.2, 40.0, 3)
    assert torch.dot(towards.flatten(), (mode - far).flatten()) > 0


def test_the_radius_is_larger_in_the_first_steps_alone():
    found = [radius_at(index, 50, 25, 0.1, 2.0, "cosine", 5) for index in range(50)]
    assert found[:45] == [0.1] * 45
    assert found[45:] == sorted(found[45:])
    assert found[-1] == pytest.approx(0.2)


def test_leaves_of_clear_groups_are_the_groups():
    rng = np.random.default_rng(0)
    middles = 10 * rng.standard_normal((4, 6))
    rows = middles[np.arange(40) % 4] + 0.1 * rng.standard_normal((40, 6))
    centres, labels = bisecting_modes(rows, 4, 0)
    assert all(len(set(labels[group::4])) == 1 for group in range(4))
    np.testing.assert_allclose(centres[labels], np.stack([rows[i % 4 :: 4].mean(0) for i in range(40)]), atol=1e-4)


@pytest.mark.parametrize("widest", ["sum", "variance"])
def test_rows_that_are_alike_are_halved_by_number(widest):
    _, labels = bisecting_modes(np.ones((6, 3)), 6, 0, widest)
    assert sorted(labels) == list(range(6))
