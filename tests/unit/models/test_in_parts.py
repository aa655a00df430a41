"""A model that is asked in parts says of each image what it says of all at once, and is never asked for more."""

import pytest
import torch
from tests.helpers.gaussian import GaussianDiffusion, entries

from retort.methods.guidance import Guided
from retort.models.health import Watched
from retort.models.in_parts import in_parts

LABELS = [0, 2, 1, 1, 0, 2, 2]


@pytest.fixture(params=[None, 0.5], ids=["fixed variance", "learned variance"])
def model(request):
    known = GaussianDiffusion.random()
    known.place = request.param
    return known


def noise(model, seed):
    rng = torch.Generator().manual_seed(seed)
    return torch.randn(len(LABELS), *model.latent_shape, generator=rng, dtype=torch.float64)


@pytest.mark.parametrize("size", [1, 2, 3, 6])
@pytest.mark.parametrize("scale", [0.0, 1.0, 2.0])
def test_it_says_the_same_and_is_asked_for_few_at_once(model, size, scale):
    latents, condition = noise(model, 0), model.condition(entries(*LABELS))
    whole = Guided(model, condition, scale).with_variance(latents, 500)
    model.calls.clear()
    parts = Guided(in_parts(model, len(LABELS), size), condition, scale).with_variance(latents, 500)
    for found, wanted in zip(parts, whole, strict=True):
        assert (found is None) == (wanted is None)
        if wanted is not None:
            torch.testing.assert_close(found, wanted, rtol=1e-12, atol=1e-12)
    branches = 1 if scale == 1 else 2
    assert max(len(rows) for _, rows in model.calls) == branches * size
    assert len(model.calls) == -(-len(LABELS) // size)
    eps = Guided(in_parts(model, len(LABELS), size), condition, scale)(latents, 500)
    torch.testing.assert_close(eps, whole[0], rtol=1e-12, atol=1e-12)


def test_each_part_has_the_branches_of_its_images(model):
    asked = in_parts(model, len(LABELS), 3)
    Guided(asked, model.condition(entries(*LABELS)), 2.0)(noise(model, 0), 500)
    null = model.calls[0][1][-1]
    assert [rows for _, rows in model.calls] == [
        [*LABELS[i : i + 3], *[null] * len(LABELS[i : i + 3])] for i in (0, 3, 6)
    ]


def test_images_are_decoded_in_parts(model):
    latents, seen = noise(model, 1), []

    def decode(given):
        seen.append(len(given))
        return 2 * given[:, :3]

    model.decode = decode
    assert torch.equal(in_parts(model, len(LABELS), 3).decode(latents), 2 * latents[:, :3])
    assert seen == [3, 3, 1]


@pytest.mark.parametrize("size", [7, 8, 100])
def test_a_model_that_can_take_all_is_asked_itself(model, size):
    assert in_parts(model, len(LABELS), size) is model


def test_a_watch_over_it_knows_which_image_is_lost(model):
    latents = noise(model, 0)
    latents[4] = torch.nan
    watched = Watched(in_parts(model, len(LABELS), 3), len(LABELS))
    found = Guided(watched, model.condition(entries(*LABELS)), 2.0)(latents, 500)
    with pytest.raises(Exception, match=r"class id4: latents are not finite.*step 1 of 1"):
        watched.check(found, [f"id{i}" for i in range(len(LABELS))], "latents are", "change it")
