"""DDIM inversion and class statistics against D3HR's reference code on a tiny random DiT."""

import re
from functools import partial

import numpy as np
import pytest
import torch
from tests.parity.closeness import assert_close

from retort.data.manifest import ClassEntry
from retort.methods.ddim import invert
from retort.methods.guidance import Guided
from retort.methods.moments import RunningMoments

PRECISIONS = {"f32": torch.float32, "f64": torch.float64}
INVERTED_WITHIN = {"f32": 5e-5, "f64": 2e-6}
MEAN_WITHIN = {"f32": 2e-5, "f64": 2e-6}
VARIANCE_WITHIN = {"f32": 5e-5, "f64": 2e-6}


@pytest.fixture(scope="module")
def case(parity):
    return parity("d3hr_inversion")


@pytest.fixture(scope="module", params=sorted(PRECISIONS))
def precision(request):
    return request.param


@pytest.fixture(scope="module")
def model(case, precision):
    return case.load_dit(PRECISIONS[precision])


@pytest.fixture(scope="module")
def stops(case):
    """The steps after which the reference keeps its latents."""
    first, last = map(int, re.search(r"after i=(\d+)\.\.(\d+)", case.facts["algorithm"]).groups())
    stored = range(first, last + 1)
    assert len(stored) == len(case["inverted_f32"]) > 0
    return stored


def inverted(case, model, latents, labels, stop):
    """Latents (steps 0..stop, N, C, H, W) along the way: what the model is shown at each step, then the result."""
    seen = []
    classes = [ClassEntry(int(label), str(int(label)), "") for label in labels]
    denoise = Guided(model, model.condition(classes), case.facts["inputs"]["guidance_scale"])

    def spy(x, t):
        seen.append(x)
        return denoise(x, t)

    steps = case.facts["inputs"]["num_inference_steps"]
    result = invert(latents.to(model.dtype), spy, model.alphas_cumprod, steps, stop)
    return torch.stack([*seen, result])


def test_the_noise_schedule_and_null_class_are_those_of_the_reference(case, model):
    assert torch.equal(model.alphas_cumprod, case["alphas_cumprod"].double())
    assert model.null_class == case.facts["inputs"]["null_class"]


@torch.inference_mode()
def test_inverted_latents_equal_the_reference_at_every_stored_step(case, model, precision, stops, last_bit):
    run = partial(inverted, case, model, case["start_latents"], case["class_labels"], stops[-1])
    within = INVERTED_WITHIN[precision] + (last_bit(model, run) if precision == "f64" else 0)
    path, expected = run(), case[f"inverted_{precision}"]
    assert path.dtype == expected.dtype == PRECISIONS[precision]
    assert_close(path[stops[0] :], expected, within)


@torch.inference_mode()
def test_stopping_early_gives_the_latents_of_that_step(case, model, stops):
    """The same numbers whether or not the inversion goes on, so that nothing past `stop` is needed."""
    whole = inverted(case, model, case["start_latents"], case["class_labels"], stops[-1])
    for stop in (stops[0], stops[len(stops) // 2]):
        path = inverted(case, model, case["start_latents"], case["class_labels"], stop)
        assert torch.equal(path, whole[: stop + 1])


def statistics(case, model, clean, label, stops, chunk):
    """Mean and variance (2, stored steps, D) of the inverted latents of one class."""
    moments = RunningMoments((len(stops), *model.latent_shape))
    for latents in clean.split(chunk):
        path = inverted(case, model, latents, [label] * len(latents), stops[-1])
        moments.add(path[stops[0] :].transpose(0, 1).numpy())
    assert moments.count == len(clean)
    return torch.from_numpy(np.stack([moments.mean, moments.variance])).flatten(2)


@torch.inference_mode()
@pytest.mark.parametrize("chunk", [5, 8])
def test_class_statistics_equal_the_reference_whatever_the_chunks(case, model, precision, stops, chunk, last_bit):
    assert case.facts["classes"]
    for k, label in enumerate(case.facts["classes"]):
        run = partial(statistics, case, model, case[f"stat_{k}_latents"], label, stops, chunk)
        slack = last_bit(model, run) if precision == "f64" else 0
        mean, variance = run()
        for result, name, within in ((mean, "mean", MEAN_WITHIN), (variance, "variance", VARIANCE_WITHIN)):
            expected = case[f"stat_{k}_{name}_{precision}"].double()
            assert_close(result, expected, within[precision] + slack)
