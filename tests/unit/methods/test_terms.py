"""Guides of sets and lists of guides: each set by itself, what several add, and who is to blame."""

import pytest
import torch
from tests.helpers.gaussian import GaussianDiffusion, entries

from retort.base.errors import RetortError
from retort.methods.sampling import Sampling, sample
from retort.parts.guides import Guide, SetGuide
from retort.parts.resolve import part_of

SAMPLERS = ["ddim", {"kind": "ddim", "eta": 0.8}, "ddpm", "dpm++", "pndm"]
REPULSION = part_of("guides", {"kind": "repulsion", "strength": 2.0})
STEIN = part_of("guides", {"kind": "repulsion", "stein": True})
VOLUME = part_of("guides", {"kind": "volume", "volume_strength": 0.5, "mean_strength": 5.0})
CODA = part_of("guides", {"discovery": "any"})
CLEAN = part_of("guides", {"discovery": "any", "form": "clean"})
POSTERIOR = part_of("guides", {"discovery": "any", "form": "posterior", "strength": 0.1})
SETS = [[0, 1, 2], [3, 4]]
LABELS = [1, 1, 1, 2, 2]


@pytest.fixture(scope="module")
def model():
    return GaussianDiffusion.random(4, (4, 3, 3))


def normal(seed, rows):
    return torch.randn(5, 4, 3, 3, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)[rows]


def sampled(model, sampler, guides, rows=range(5), sets=SETS, guidance=2.0, seed=0):
    """Images by their numbers, of the classes that their numbers have."""
    rows, draws = list(rows), iter(range(100, 200))
    labels = [LABELS[row] for row in rows]
    by = Sampling(part_of("samplers", sampler), 10, None, guidance, guides)
    condition, means = model.condition(entries(*labels)), model.mean[labels]
    given = normal(seed, rows), by, labels, normal(50, rows), lambda: normal(next(draws), rows)
    return sample(model, condition, *given, means=means, sets=sets)


@pytest.mark.parametrize("sampler", SAMPLERS, ids=str)
@pytest.mark.parametrize(
    "guides", [[REPULSION], [STEIN], [VOLUME], [CODA, REPULSION], [VOLUME, REPULSION, CLEAN]], ids=len
)
def test_a_set_is_the_same_alone_and_beside_other_sets(model, sampler, guides):
    together = sampled(model, sampler, guides)
    for rows in SETS:
        alone = sampled(model, sampler, guides, rows, None)
        torch.testing.assert_close(together[rows], alone, rtol=1e-5, atol=1e-5)
    apart = torch.cat([sampled(model, sampler, guides, [row], None) for row in range(5)])
    assert not torch.allclose(apart, together, atol=1e-3)


@pytest.mark.parametrize("guides", [[REPULSION], [VOLUME, REPULSION]], ids=len)
def test_an_image_in_no_set_is_as_without_a_guide_of_sets(model, guides):
    found, usual = sampled(model, "ddim", guides, sets=[[0, 1, 2], [4]]), sampled(model, "ddim", [])
    assert torch.equal(found[3], usual[3])


@pytest.mark.parametrize("guide", [REPULSION, VOLUME, CODA, CLEAN], ids=lambda guide: guide.kind + guide.acts_on())
@pytest.mark.parametrize("sampler", SAMPLERS, ids=str)
def test_a_guide_of_strength_0_in_a_list_changes_no_bit(model, sampler, guide):
    still = guide.model_copy(update=dict.fromkeys((k for k in type(guide).model_fields if k.endswith("strength")), 0.0))
    usual = sampled(model, sampler, [])
    assert torch.equal(sampled(model, sampler, [still]), usual)
    assert torch.equal(sampled(model, sampler, [REPULSION, still]), sampled(model, sampler, [REPULSION]))


@pytest.mark.parametrize("guides", [[CODA, REPULSION], [CLEAN, REPULSION], [POSTERIOR, VOLUME], [CODA, CODA]], ids=str)
def test_guides_of_a_list_add_up_in_any_order(model, guides):
    one, other = (sampled(model, "ddpm", order) for order in (guides, guides[::-1]))
    torch.testing.assert_close(one, other, rtol=1e-9, atol=1e-9)
    for alone in guides:
        assert not torch.allclose(one, sampled(model, "ddpm", [alone]), atol=1e-4)


def test_equal_guides_are_one_of_their_strengths_together(model):
    twice = CODA.model_copy(update={"strength": 2 * CODA.strength})
    for twin, one in ((twice, CODA), (REPULSION.model_copy(update={"strength": 4.0}), REPULSION)):
        torch.testing.assert_close(
            sampled(model, "ddim", [one, one]), sampled(model, "ddim", [twin]), rtol=1e-6, atol=1e-6
        )


def test_a_set_guide_acts_where_cfg_has_no_conditional_branch(model):
    """It acts after CFG, so guidance 0 leaves it its work."""
    assert not torch.allclose(
        sampled(model, "ddim", [REPULSION], guidance=0.0), sampled(model, "ddim", [], guidance=0.0)
    )


class Wide(SetGuide):
    """Gives one latent for a whole set, which would be spread over it unnoticed."""

    def acts_on(self):
        return "latents"

    def move(self, course):
        return lambda latents, timestep, signal: latents.mean(dim=0, keepdim=True)


class Lost(Guide):
    """Gives what is not finite."""

    def acts_on(self):
        return "latents"

    def move(self, course):
        return lambda latents, timestep, signal: latents / 0


class Seen(SetGuide):
    """Remembers its courses, and moves nothing."""

    seen: list

    def acts_on(self):
        return "latents"

    def move(self, course):
        self.seen.append(course)
        return lambda latents, timestep, signal: None


def test_a_guide_that_gives_another_shape_or_no_numbers_is_named(model):
    with pytest.raises(
        RetortError, match=r"the guide test-terms.* gives a move of shape \(1, 4, 3, 3\) .*\(3, 4, 3, 3\)"
    ):
        sampled(model, "ddim", [Wide()])
    with pytest.raises(
        RetortError, match=r"the guide test-terms.* makes finite predictions not finite, from timestep 80"
    ):
        sampled(model, "ddim", [REPULSION, Lost()])


def test_the_course_of_a_set_is_that_of_its_images(model):
    guide = Seen(seen=[])
    sampled(model, "ddim", [guide])
    assert [list(course.class_indices) for course in guide.seen] == [[1, 1, 1], [2, 2]]
    for course, rows in zip(guide.seen, SETS, strict=True):
        assert torch.equal(course.targets, normal(50, rows))
        assert torch.equal(course.means, model.mean[[LABELS[row] for row in rows]])
