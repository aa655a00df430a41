"""One call for every sampler: the right one, asked where it says, with noise only where there is some."""

from dataclasses import replace

import pytest
import torch
from tests.helpers.gaussian import GaussianDiffusion, entries
from tests.helpers.parts import sampling as sampling_by

from retort.base.errors import RetortError
from retort.methods import ancestral, ddim, dpm_solver
from retort.methods.guidance import Guided
from retort.methods.sampling import sample
from retort.parts.guides import Guide
from retort.parts.resolve import part_of

ROWS = (0, 2, 1, 1)
SETTINGS = {
    "ddim": sampling_by("ddim", 12, None, 2.0),
    "inverted": sampling_by("ddim", 12, 7, 2.0),
    "ddim with noise": sampling_by({"kind": "ddim", "eta": 0.6}, 12, None, 2.0),
    "inverted with noise": sampling_by({"kind": "ddim", "eta": 1.0}, 12, 7, 2.0),
    "ddpm": sampling_by("ddpm", 12, None, 2.0),
    "dpm++": sampling_by("dpm++", 12, None, 2.0),
}


@pytest.fixture
def model():
    return GaussianDiffusion.random()


@pytest.fixture(params=SETTINGS)
def sampling(request):
    return SETTINGS[request.param]


def normal(model, n, seed):
    rng = torch.Generator().manual_seed(seed)
    return lambda: torch.randn(n, *model.latent_shape, generator=rng, dtype=torch.float64)


def condition(model):
    return model.condition(entries(*ROWS))


def sampled(model, sampling, targets=None):
    return sample(model, condition(model), normal(model, 4, 0)(), sampling, ROWS, targets, normal(model, 4, 1))


def directly(model, sampling):
    latents, alphas, steps = normal(model, 4, 0)(), model.alphas_cumprod, sampling.steps
    denoise = Guided(model, condition(model), sampling.guidance)
    match sampling.sampler.kind:
        case "ddim":
            first = steps - 1 if sampling.first is None else sampling.first
            given = (sampling.sampler.eta, normal(model, 4, 1)) if sampling.sampler.eta else ()
            return ddim.sample(latents, denoise, alphas, steps, first, *given)
        case "ddpm":
            denoise = Guided(model, condition(model), sampling.guidance).with_variance
            return ancestral.sample(latents, denoise, alphas, steps, normal(model, 4, 1))
        case "dpm++":
            return dpm_solver.sample(latents, denoise, alphas, steps)


@pytest.mark.parametrize("place", [None, 0.5])
def test_every_sampler_is_the_one_that_it_is_called(model, sampling, place):
    model.place = place
    assert torch.equal(sampled(model, sampling), directly(model, sampling))


def test_samplers_differ(model):
    ends = [sampled(model, sampling) for sampling in SETTINGS.values()]
    assert all(not torch.allclose(a, b, atol=1e-3) for i, a in enumerate(ends) for b in ends[:i])


def test_the_learned_variance_reaches_the_ancestral_sampler_and_no_other(model, sampling):
    usual, model.place = sampled(model, sampling), 1.0
    assert torch.equal(sampled(model, sampling), usual) == (sampling.sampler.kind != "ddpm")


@pytest.mark.parametrize("scale", [1.0, 2.0])
def test_the_model_is_asked_at_the_timesteps_that_are_told(model, sampling, scale):
    sampled(model, replace(sampling, guidance=scale))
    told = sampling.sampler.grid(model.alphas_cumprod, sampling.steps, sampling.first)
    assert [times[0] for times, _ in model.calls] == told
    assert all(len(set(times)) == 1 for times, _ in model.calls)
    assert told == sorted(told, reverse=True)
    assert len(told) == (12 if sampling.first is None else sampling.first + 1)
    rows = [*ROWS] if scale == 1 else [*ROWS, 3, 3, 3, 3]
    assert all(found == rows for _, found in model.calls)


def test_noise_is_asked_for_at_every_step_but_the_last_where_some_is_added_and_nowhere_else(model, sampling):
    asked, draw = [], normal(model, 4, 1)

    def noise():
        asked.append(1)
        return draw()

    sample(model, condition(model), normal(model, 4, 0)(), sampling, ROWS, None, noise)
    fresh = sampling.sampler.kind == "ddpm" or getattr(sampling.sampler, "eta", 0) > 0
    assert len(asked) == (len(model.calls) - 1 if fresh else 0)


def test_an_image_is_the_same_in_any_company(model, sampling):
    together = sampled(model, sampling)
    starts, noises = normal(model, 4, 0)(), normal(model, 4, 1)
    for i, row in enumerate(ROWS):
        own = normal(model, 4, 1)
        alone = sample(
            model,
            model.condition(entries(row)),
            starts[i : i + 1],
            sampling,
            [row],
            None,
            lambda i=i, own=own: own()[i : i + 1],
        )
        torch.testing.assert_close(together[i : i + 1], alone, rtol=1e-6, atol=1e-6)
    assert noises().shape == together.shape


def test_a_start_on_the_grid_is_taken_as_it_lies_there(model):
    """From latents at the noise of step 7, without guidance: the class's own data come out."""
    stride, n = len(model.alphas_cumprod) // 50, 3000
    signal = model.alphas_cumprod[stride * 30]
    clean = model.draw(1, n, seed=3)
    noisy = signal.sqrt() * clean + (1 - signal).sqrt() * normal(model, n, 4)()
    settings = sampling_by("ddim", 50, 30, 1.0)
    found = sample(model, model.condition(entries(*[1] * n)), noisy, settings, [1] * n, None, None)
    assert (found.mean(dim=0) - model.mean[1]).abs().max() < 0.1
    assert (found.var(dim=0) / model.variance[1] - 1).abs().max() < 0.15


def test_an_unknown_sampler_is_an_error():
    with pytest.raises(RetortError, match="'euler' is none of the samplers"):
        part_of("samplers", "euler")
    with pytest.raises(
        RetortError, match=r"none of the samplers is called 'dpm'.*allowed: ddim, ddpm, dpm\+\+, pndm, or"
    ):
        part_of("samplers", {"kind": "dpm"})


# ---------------------------------------------------------------- guides


class Seeing(Guide):
    """A guide without representatives, which notes what it is given and moves each image by its label."""

    seen: list

    def pull(self, course):
        self.seen.append(course)
        moved = 0.01 * torch.tensor(course.class_indices, dtype=torch.float64).view(-1, 1, 1, 1)

        def pulled(latents, conditional, timestep, sigma):
            self.seen.append((timestep, latents.shape))
            return conditional + moved

        return pulled


def test_a_guide_knows_the_course_and_corrects_every_prediction(model, sampling):
    guide = Seeing(seen=[])
    found = sampled(model, replace(sampling, guides=(guide,)))
    course, *steps = guide.seen
    grid = sampling.sampler.grid(model.alphas_cumprod, sampling.steps, sampling.first)
    assert [timestep for timestep, _ in steps] == list(course.timesteps) == grid
    assert {shape for _, shape in steps} == {(4, *model.latent_shape)}
    assert list(course.class_indices) == list(ROWS)
    assert torch.equal(course.alphas_cumprod, model.alphas_cumprod)
    assert course.targets is None
    usual = sampled(model, sampling)
    assert torch.equal(found[0], usual[0])  # the label of this image is 0, and no other image moves it
    assert not torch.isclose(found[1:], usual[1:]).flatten(1).all(dim=1).any()


def test_a_guide_is_given_the_targets_of_its_images(model, sampling):
    guide, targets = Seeing(seen=[]), normal(model, 4, 5)()
    sampled(model, replace(sampling, guides=(guide,)), targets)
    assert torch.equal(guide.seen[0].targets, targets)
