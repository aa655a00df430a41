"""D4M's prototypes and image-to-image by PNDM on a tiny Stable Diffusion against its reference code."""

import json
from itertools import islice

import numpy as np
import pytest
import torch
from PIL import Image

from retort.data.manifest import ClassEntry
from retort.methods import plms
from retort.methods.guidance import Guided
from retort.methods.modes import minibatch_modes
from retort.parts.resolve import part_of

LATENT_WITHIN = 1e-4  # of the largest, of the final latents
NOISE_WITHIN = 2e-4  # of the largest, of a prediction
IMAGE_WITHIN = 1e-4
CENTRES_WITHIN = 2e-5
VAE_WITHIN = 2e-6
REFERENCE = part_of("samplers", {"kind": "pndm", "partial": "reference"})


def pytest_generate_tests(metafunc):
    """One test for each setting of the folder that the command line names."""
    if "setting" in metafunc.fixturenames:
        folder = metafunc.config.getoption("--parity-fixtures") / "prototypes_img2img"
        settings = json.loads((folder / "case.json").read_text())["settings"]
        metafunc.parametrize("setting", settings, ids=[f"s{s['setting']}" for s in settings])


@pytest.fixture(scope="module")
def case(parity):
    return parity("prototypes_img2img")


@pytest.fixture(scope="module")
def model(case):
    return case.load_stable_diffusion()


def entry(case, label):
    return ClassEntry(label, f"n{label}", case.facts["class_names"][label])


def assert_relatively_close(result, expected, within):
    assert result.shape == expected.shape
    torch.testing.assert_close(result, expected, rtol=0, atol=within * max(1.0, expected.abs().max().item()))


def begun(model, prototype, noise, steps, strength):
    """The start of the part, as the stage makes it: (latents, first step); the reference also noises at strength 1."""
    first = min(int(steps * strength), steps) - 1
    signal = REFERENCE.signal(model.alphas_cumprod, steps, first)
    if strength == 1:
        return signal**0.5 * prototype + (1 - signal) ** 0.5 * noise, first
    start = part_of("starts", {"discovery": "any", "strength": strength})
    assert start.begins(steps) == first
    return start.begin(lambda: noise, prototype, signal), first


@pytest.fixture(scope="module")
def run(case, model):
    """run(prototype, noise, label, strength, guidance, steps): start, predictions, latents after each call."""

    @torch.inference_mode()
    def sample(prototype, noise, label, strength, guidance, steps):
        start, first = begun(model, prototype, noise, steps, strength)
        denoise = Guided(model, model.condition([entry(case, label)]), guidance)
        asked, eps, latents = [], [], []

        def recorded(x, timestep, sigma=None):
            asked.append(timestep)
            latents.append(x)
            eps.append(denoise(x, timestep))
            return eps[-1]

        recorded.mean_shift = recorded.move = None
        final = REFERENCE.sample(start[None], recorded, model.alphas_cumprod, steps, first, None)
        return start, asked, torch.cat(eps), torch.cat([*latents[1:], final])

    return sample


@pytest.fixture(scope="module")
def ran(case, run):
    done = {}

    def once(setting):
        if setting["setting"] not in done:
            prototype = case["prototypes"][setting["class"], setting["prototype"]]
            noise = case[f"s{setting['setting']}_noise"]
            order = ("class", "strength", "guidance", "steps")
            done[setting["setting"]] = run(prototype, noise, *(setting[key] for key in order))
        return done[setting["setting"]]

    return once


# ---------------------------------------------------------------- prototypes


@torch.inference_mode()
def test_latents_equal_the_reference(case, model):
    images = case["images_uint8"].float() / 255 * 2 - 1
    scale = model.codec.vae.config.scaling_factor
    torch.testing.assert_close(model.encode(images), scale * case["vae_mean"], rtol=0, atol=VAE_WITHIN)
    drawn = model.encode(images) + scale * case["vae_std"] * case["vae_noise"]
    torch.testing.assert_close(drawn, case["init_latents"], rtol=0, atol=VAE_WITHIN)


def test_prototypes_equal_the_reference(case):
    ipc, expand = case.facts["parameters"]["ipc"], case.facts["parameters"]["km_expand"]
    for label in range(len(case.facts["class_names"])):
        rows = case["init_latents"][case["labels"] == label].flatten(1).numpy()
        fitted = [count for of, count, _ in case.facts["partial_fits"] if of == label]
        whole = len(rows) // (expand * ipc) * expand * ipc
        assert sum(fitted) in (whole, len(rows))
        centres, labels = minibatch_modes(rows, ipc, expand * ipc, seed=0, fit_rest=sum(fitted) == len(rows))
        expected = case["prototypes"][label].flatten(1).numpy()
        np.testing.assert_allclose(centres, expected, rtol=0, atol=CENTRES_WITHIN)
        assert set(labels) <= set(range(ipc))


# ---------------------------------------------------------------- image-to-image


@torch.inference_mode()
def test_prompts_equal_the_reference(case, model):
    labels = range(len(case.facts["class_names"]))
    found = model.condition([entry(case, label) for label in labels])["prompt_embeds"]
    torch.testing.assert_close(found, case["prompt_embeds"], rtol=0, atol=1e-5)
    torch.testing.assert_close(model.null(1)["prompt_embeds"], case["negative_embeds"], rtol=0, atol=1e-5)


def test_calls_and_starts_equal_the_reference(case, ran, setting):
    name = f"s{setting['setting']}"
    start, asked, _, _ = ran(setting)
    assert asked == case[f"{name}_timesteps"].tolist()
    assert len(asked) == setting["calls"]
    assert (asked[0], asked[-1]) == (setting["first_timestep"], setting["last_timestep"])
    torch.testing.assert_close(start, case[f"{name}_noised"], rtol=0, atol=VAE_WITHIN)


def test_every_call_equals_the_reference(case, ran, setting):
    name = f"s{setting['setting']}"
    _, _, eps, latents = ran(setting)
    assert_relatively_close(eps, case[f"{name}_eps"], NOISE_WITHIN)
    assert_relatively_close(latents, case[f"{name}_latents"], LATENT_WITHIN)
    assert latents[-1].abs().max().item() == pytest.approx(setting["final_abs_max"], rel=1e-4)


@torch.inference_mode()
def test_images_equal_the_reference(case, model, ran, setting):
    image = (model.decode(ran(setting)[3][-1:]) / 2 + 0.5).clamp(0, 1)[0].permute(1, 2, 0)
    torch.testing.assert_close(image, case[f"s{setting['setting']}_image"], rtol=0, atol=IMAGE_WITHIN)


@torch.inference_mode()
def test_the_main_run_equals_the_reference(case, model, run):
    """Every prototype at the paper's strength, guidance and steps; the first images in full, to the file's pixels."""
    facts, classes, ipc = case.facts, len(case.facts["class_names"]), case.facts["parameters"]["ipc"]
    strength, guidance, steps = (
        case.number(facts["outputs"]["syn_*"], pattern)
        for pattern in (r"strength ([\d.]+)", r"guidance ([\d.]+)", r"(\d+) steps")
    )
    finals = []
    for number in range(classes * ipc):
        label, which = divmod(number, ipc)
        prototype, noise = case["prototypes"][label, which], case["syn_noise"][number]
        start, asked, eps, latents = run(prototype, noise, label, strength, guidance, int(steps))
        assert asked == case["syn_timesteps"].tolist()
        torch.testing.assert_close(start, case["syn_noised"][number], rtol=0, atol=VAE_WITHIN)
        if number < facts["parameters"]["trace"]:
            assert_relatively_close(eps, case["syn_eps"][number], NOISE_WITHIN)
            assert_relatively_close(latents, case["syn_latents"][number], LATENT_WITHIN)
        finals.append(latents[-1])
    assert_relatively_close(torch.stack(finals), case["syn_final_latents"], LATENT_WITHIN)
    shown = case["syn_images"]
    images = torch.cat([model.decode(final[None]) for final in islice(finals, len(shown))])
    images = (images / 2 + 0.5).clamp(0, 1).permute(0, 2, 3, 1)
    torch.testing.assert_close(images, shown, rtol=0, atol=IMAGE_WITHIN)
    png = case["syn_png224_first"].numpy()
    file = Image.fromarray((images[0].numpy() * 255).round().astype("uint8")).resize(png.shape[:2])
    assert np.abs(np.asarray(file).astype(int) - png).max() <= 1


# ---------------------------------------------------------------- the clean form


def test_the_clean_form_makes_its_first_step_twice_and_leaves_none_out(model, setting):
    """Its calls are those of a whole run of as many steps, and each transition between timesteps is made."""
    steps, first = setting["steps"], int(setting["steps"] * setting["strength"]) - 1
    whole = plms.grid(model.alphas_cumprod, steps)
    found = plms.grid(model.alphas_cumprod, steps, min(first, steps - 1))
    assert sorted(set(found), reverse=True) == sorted(set(whole), reverse=True)[-(first + 1) :]
    assert len(found) == first + 1 + (first > 0)
    assert found[1:2] == found[2:3] or first < 1


@torch.inference_mode()
def test_the_forms_differ_and_agree_where_all_steps_are_made(case, model):
    condition, noise = model.condition([entry(case, 0)]), case["syn_noise"][:1]
    both = []
    for first in (None, 4):
        forms = [
            plms.sample(noise, Guided(model, condition, 3.0), model.alphas_cumprod, 10, first, whole)
            for whole in (False, True)
        ]
        both.append(torch.equal(*forms))
    assert both == [True, False]
