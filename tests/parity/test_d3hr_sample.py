"""DDIM generation from given starts against D3HR's reference code on a tiny random DiT."""

from functools import partial

import pytest
import torch
from tests.parity.closeness import scaled

from retort.data.manifest import ClassEntry
from retort.methods.ddim import invert, sample
from retort.methods.guidance import Guided

PRECISIONS = {"f32": torch.float32, "f64": torch.float64}
LATENT_WITHIN = {"f32": 5e-6, "f64": 2e-7}  # of the largest latent
IMAGE_WITHIN = {"f32": 2e-5, "f64": 1e-6}
INVERTED_WITHIN = 5e-5  # float32; the inversion's own tolerance


@pytest.fixture(scope="module")
def case(parity):
    return parity("d3hr_sample")


@pytest.fixture(scope="module", params=sorted(PRECISIONS))
def precision(request):
    return request.param


@pytest.fixture(scope="module")
def model(case, precision):
    return case.load_dit(PRECISIONS[precision])


def guided_to(case, model, labels):
    classes = [ClassEntry(int(label), str(int(label)), "") for label in labels]
    return Guided(model, model.condition(classes), case.facts["inputs"]["guidance_scale"])


def sampled(case, model, start, labels, start_step):
    """start_step counts from the noisy end of the grid, as in the reference; our `first` counts from the clean end."""
    steps = case.facts["inputs"]["num_inference_steps"]
    denoise = guided_to(case, model, labels)
    return sample(start.to(model.dtype), denoise, model.alphas_cumprod, steps, steps - 1 - start_step)


def decoded(model, latents):
    """Images (N, h, w, 3) in [0, 1]."""
    return (model.decode(latents) / 2 + 0.5).clamp(0, 1).permute(0, 2, 3, 1)


def assert_equal(result, expected, within):
    assert result.dtype == expected.dtype
    assert expected.min() < expected.max()
    torch.testing.assert_close(result, expected, rtol=0, atol=within)


def latent_within(expected, precision):
    return LATENT_WITHIN[precision] * expected.abs().max().item()


@torch.inference_mode()
def test_final_latents_equal_the_reference_from_every_start_step(case, model, precision, last_bit):
    for name in case.find(rf"start(\d+)_latent_{precision}"):
        run = partial(sampled, case, model, case["start_latents"], case["class_labels"], int(name[1]))
        within = latent_within(case[name[0]], precision)
        if precision == "f64":
            within += last_bit(model, run)
        assert_equal(run(), case[name[0]], within)


@torch.inference_mode()
def test_images_equal_the_reference_from_every_start_step(case, model, precision):
    for name in case.find(rf"start(\d+)_image_{precision}"):
        latents = sampled(case, model, case["start_latents"], case["class_labels"], int(name[1]))
        assert_equal(decoded(model, latents), case[name[0]], IMAGE_WITHIN[precision])


@torch.inference_mode()
def test_decoding_the_reference_latents_gives_the_reference_images(case, model, precision):
    for name in case.find(rf"(start\d+|roundtrip)_image_{precision}"):
        images = decoded(model, case[f"{name[1]}_latent_{precision}"])
        assert_equal(images, case[name[0]], IMAGE_WITHIN[precision])


@torch.inference_mode()
@pytest.mark.parametrize("precision", ["f32"], indirect=True)
def test_inverting_and_sampling_again_equals_the_reference_chain(case, model, precision, last_bit):
    """The whole chain as D3HR runs it: sampling starts one step noisier than the inversion stopped.

    Here the sampler shrinks latents instead of growing them, so rounding weighs more than the tolerances, which
    were measured on the other cases, allow for.
    """
    chain = next(text for name, text in case.facts["outputs"].items() if name.startswith("roundtrip"))
    stop = int(case.number(chain, r"latents i=(\d+)"))
    start_step = int(case.number(chain, r"start_step=(\d+)"))
    steps, labels = case.facts["inputs"]["num_inference_steps"], case["roundtrip_labels"]

    clean = case["roundtrip_original_latents"]
    noisy = invert(clean, guided_to(case, model, labels), model.alphas_cumprod, steps, stop)
    assert_equal(noisy, case["roundtrip_start"], scaled(INVERTED_WITHIN, case["roundtrip_start"]))

    run = partial(sampled, case, model, case["roundtrip_start"], labels, start_step)
    latents, expected = run(), case["roundtrip_latent_f32"]
    assert_equal(latents, expected, latent_within(expected, precision) + last_bit(model, run))
    images_within = IMAGE_WITHIN[precision] + last_bit(model, lambda: decoded(model, run()))
    assert_equal(decoded(model, latents), case["roundtrip_image_f32"], images_within)
