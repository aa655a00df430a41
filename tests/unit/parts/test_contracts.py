"""Every part that comes with the library does what its family promises to whoever calls it."""

from collections import Counter

import numpy as np
import pytest
import torch
from tests.helpers.gaussian import GaussianDiffusion, entries

from retort.parts.guides import Course
from retort.parts.resolve import FAMILIES, ours, part_of
from retort.parts.selections import OfNames, Seen

EXAMPLES = {
    "starts": ["noise", {"inversion": "any"}, {"inversion": "any", "search": "closed-form"}],
    "samplers": ["ddim", {"kind": "ddim", "eta": 0.5}, "ddpm", "dpm++"],
    "guides": [{"discovery": "any", "strength": 0.1}],
    "selections": [
        *("random", "all", {"discovery": "any"}),
        *({"teacher": "judge", "keep": "confident"}, {"teacher": "judge", "keep": "uncertain"}),
        *({"coverage": name, "encoder": "vae"} for name in ("herding", "kmeans", "k-centre")),
        {"coverage": "herding", "teacher": "judge"},
    ],
    "coverages": ["herding", "kmeans", "k-centre"],
    "refinements": [{"iterations": 4, "condition": name} for name in ("class", "unconditional")],
    "compositions": [
        {"score": {"teacher": "judge"}},
        {"score": {"typicality": "any"}, "rank": {"clusters": 3, "encoder": "vae"}},
    ],
    "scores": [{"teacher": "judge", "crops": 3}, {"typicality": "any"}],
    "rankings": ["score", {"clusters": 3, "encoder": "vae"}],
}
CLASSES, COUNT = 4, 12


def parts(family: str, fits=lambda part: True) -> list:
    found = [part_of(family, said) for said in EXAMPLES[family]]
    return [pytest.param(part, id=str(part.model_dump())) for part in found if fits(part)]


@pytest.fixture
def model():
    return GaussianDiffusion.random(CLASSES)


def normal(seed: int, *shape: int) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def seen(order=slice(None)) -> Seen:
    """Twelve candidates of class 2, in an order."""
    features = normal(0, COUNT, 5).numpy().astype(np.float32)
    return Seen(features[order], 2 * normal(1, COUNT, CLASSES)[order], 2)


def test_every_part_of_ours_is_held_to_its_contract():
    assert set(EXAMPLES) == set(FAMILIES)
    for family in FAMILIES:
        assert {part_of(family, said).kind for said in EXAMPLES[family]} == set(ours(family))


@pytest.mark.parametrize("family", FAMILIES)
def test_a_part_is_the_same_when_it_is_read_as_it_is_written(family):
    for said in EXAMPLES[family]:
        part = part_of(family, said)
        assert part_of(family, part.model_dump(mode="json")) == part
        assert part_of(family, part) is part


# ---------------------------------------------------------------- starts


@pytest.mark.parametrize("part", parts("starts"))
def test_a_start_is_the_images_first_noise_or_what_was_drawn_for_it(part):
    asked, drawn = [], torch.ones(2, 3, 3)

    def noise():
        asked.append(torch.zeros(2, 3, 3))
        return asked[-1]

    found = part.latent(noise, drawn if part.stage else None)
    assert found is (drawn if part.stage else asked[0])
    assert len(asked) == (0 if part.stage else 1)


# ---------------------------------------------------------------- samplers


@pytest.mark.parametrize("part", parts("samplers"))
def test_a_sampler_asks_on_its_grid_and_changes_neither_its_start_nor_its_precision(part, model):
    steps, latents = 9, normal(0, 3, *model.latent_shape).float()
    before, asked = latents.clone(), []

    class Denoise:
        def __call__(self, x, timestep, sigma=None):
            asked.append(timestep)
            return 0.1 * x

        def with_variance(self, x, timestep):
            return self(x, timestep), None

    for first in (None, 4) if part.on_ddim_grid else (None,):
        asked.clear()
        noise = lambda: normal(1, 3, *model.latent_shape).float()  # noqa: E731
        found = part.sample(latents, Denoise(), model.alphas_cumprod, steps, first, noise)
        grid = part.grid(model.alphas_cumprod, steps, first)
        assert asked == list(grid) == sorted(grid, reverse=True)
        assert len(asked) == (steps if first is None else first + 1)
        assert (found.shape, found.dtype) == (latents.shape, torch.float32)
    assert torch.equal(latents, before)


# ---------------------------------------------------------------- guides


@pytest.mark.parametrize("part", parts("guides"))
def test_a_guide_corrects_each_image_by_itself(part, model):
    shape, grid = (3, *model.latent_shape), list(range(900, -1, -100))
    latents, predicted, targets = (normal(seed, *shape) for seed in range(3))
    together = part.pull(Course(model.alphas_cumprod, grid, [0, 1, 2], targets))
    for timestep in grid:
        found = together(latents, predicted, timestep, None)
        assert found.shape == shape
        for i in range(3):
            own = slice(i, i + 1)
            alone = part.pull(Course(model.alphas_cumprod, grid, [i], targets[own]))
            torch.testing.assert_close(alone(latents[own], predicted[own], timestep, None), found[own])
    assert not torch.equal(together(latents, predicted, 900, None), predicted)


# ---------------------------------------------------------------- selections and coverages


def looks(part) -> bool:
    """At images, when it chooses."""
    return part.stage == "select_by_features"


@pytest.mark.parametrize("count", [0, 1, 5, COUNT])
@pytest.mark.parametrize("part", parts("selections", looks))
def test_a_selection_keeps_distinct_candidates_with_a_value_of_each_column(part, count):
    chosen = part.choose(seen(), count, 7)
    members = list(chosen.members)
    assert len(set(members)) == len(members) == count
    assert set(members) <= set(range(COUNT))
    assert all(len(values) == count for values in chosen.columns.values())
    assert list(part.choose(seen(), count, 7).members) == members


def by_values(part) -> bool:
    """What it chooses by the values of candidates alone: k-means begins with rows that it draws by their number."""
    return looks(part) and not (part.kind == "coverage" and part.coverage.kind == "kmeans")


@pytest.mark.parametrize("part", parts("selections", by_values))
def test_a_selection_does_not_depend_on_the_order_of_the_candidates(part):
    turn = np.random.default_rng(0).permutation(COUNT)
    turned, usual = part.choose(seen(turn), 5, 7), part.choose(seen(), 5, 7)
    assert turn[list(turned.members)].tolist() == list(usual.members)
    assert dict(turned.columns) == dict(usual.columns)


@pytest.mark.parametrize("part", parts("selections", lambda part: isinstance(part, OfNames)))
def test_a_selection_by_names_orders_all_images(part):
    ids = [f"{i}.png" for i in range(20)]
    order = part.order(ids, 0, "toy")
    assert sorted(order) == list(range(20))
    assert part.order(ids, 0, "toy") == order
    assert (order == list(range(20))) == part.takes_all


@pytest.mark.parametrize("count", [0, 1, 5, COUNT])
@pytest.mark.parametrize("part", parts("coverages"))
def test_a_coverage_is_of_distinct_rows_also_where_all_are_equal(part, count):
    for features in (seen().features, np.zeros((COUNT, 3), np.float32), normal(2, COUNT, 1).numpy()):
        chosen = list(map(int, part.cover(features, count, 3)))
        assert len(set(chosen)) == len(chosen) == count
        assert set(chosen) <= set(range(COUNT))


@pytest.mark.parametrize("part", parts("coverages"))
def test_a_coverage_takes_one_of_each_clear_cluster(part):
    labels = np.repeat([0, 1, 2], [6, 5, 7])
    features = 100 * np.eye(3)[labels] + normal(3, len(labels), 3).numpy()
    assert Counter(labels[list(part.cover(features, 3, 0))]) == {0: 1, 1: 1, 2: 1}


# ---------------------------------------------------------------- refinements


@pytest.mark.parametrize("part", parts("refinements"))
def test_a_refinement_moves_each_image_by_itself_and_tells_its_losses(part, model):
    latents, listed = normal(4, 3, *model.latent_shape), entries(0, 2, 1)
    draws, before = [(0, "refine", entry.id) for entry in listed], latents.clone()
    found, losses = part.refined(model, latents, listed, draws, iter)
    assert found.shape == latents.shape
    assert losses.shape == (3, part.passes())
    assert torch.equal(latents, before)
    assert ((found - latents).flatten(1).abs().max(dim=1).values > 0).all()
    for i in range(3):
        alone, loss = part.refined(model, latents[i : i + 1], listed[i : i + 1], draws[i : i + 1], iter)
        torch.testing.assert_close(alone[0], found[i].detach(), rtol=0, atol=1e-6)
        torch.testing.assert_close(loss[0], losses[i], rtol=1e-5, atol=1e-6)


# ---------------------------------------------------------------- scores and rankings


@pytest.mark.parametrize("part", parts("scores", lambda part: part.stage == "score_crops"))
def test_a_score_of_a_crop_is_its_own_and_lowest_where_the_teacher_is_surest_of_the_class(part):
    logits, labels = 3 * normal(5, 8, CLASSES).float(), torch.arange(8) % CLASSES
    losses = part.losses(logits, labels)
    assert (losses.shape, losses.dtype) == ((8,), torch.float32)
    alone = torch.cat([part.losses(logits[i : i + 1], labels[i : i + 1]) for i in range(8)])
    torch.testing.assert_close(alone, losses)
    chances = logits.softmax(1)[torch.arange(8), labels]
    assert losses.argsort().tolist() == chances.argsort(descending=True).tolist()


@pytest.mark.parametrize("part", parts("scores"))
def test_a_class_has_patches_and_an_image_gives_some_of_them(part):
    most = part.most_patches()
    assert most.count == getattr(part, most.key) >= part.most_of_an_image() >= 1
    assert part.cut_for(3) == (3 if part.unit == "patches" else None)


@pytest.mark.parametrize("part", parts("rankings", lambda part: part.stage))
def test_a_ranking_orders_all_patches_and_names_the_cluster_of_each(part):
    features, scores = seen().features, normal(6, COUNT).numpy()
    order, cluster = part.order(features, scores, 3)
    assert sorted(order.tolist()) == list(range(COUNT))
    assert (order.dtype, cluster.dtype, cluster.shape) == (np.int64, np.int64, (COUNT,))
    again = part.order(features, scores, 3)
    assert [found.tolist() for found in again] == [order.tolist(), cluster.tolist()]
