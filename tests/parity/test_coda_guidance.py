"""CoDA's representative guidance on a tiny random SDXL against its reference code."""

import json

import pytest
import torch
from tests.parity.closeness import assert_close

from retort.data.manifest import ClassEntry
from retort.methods import ddim, dpm_solver
from retort.methods.guidance import Guided
from retort.methods.representative import pull_towards, stop_timestep
from retort.models.codec import Codec
from retort.models.sdxl import Sdxl
from retort.models.stable_diffusion import tokenize

LATENT_WITHIN = 2e-4  # of the largest latent
NOISE_WITHIN = 1e-4
IMAGE_WITHIN = 1e-4
EMBEDDING_WITHIN = 1e-5


@pytest.fixture(scope="module")
def case(parity):
    return parity("coda_guidance")


@pytest.fixture(scope="module")
def model(case):
    pipeline = case.folder / "pipeline"
    codec = Codec.load(pipeline / "vae", case.facts["image_size"], torch.float32, case.device)
    return case.placed(Sdxl.load(pipeline, codec, torch.float32, case.device))


@pytest.fixture(scope="module")
def condition(case, model):
    # The other names of a class must not reach the prompt.
    return model.condition([ClassEntry(0, "n01440764", f"{case.facts['prompt']}, another name")])


def pytest_generate_tests(metafunc):
    """One test per setting of the reference; the fixture folder is an option of the command line."""
    if "setting" in metafunc.fixturenames:
        folder = metafunc.config.getoption("--parity-fixtures") / "coda_guidance"
        settings = json.loads((folder / "case.json").read_text())["settings"]
        metafunc.parametrize("setting", settings, ids=[f"set{s['set']}" for s in settings])


class Recorder:
    """A denoiser that keeps what it was asked and what it answered."""

    def __init__(self, denoise):
        self.denoise, self.latents, self.timesteps, self.sigmas, self.eps = denoise, [], [], [], []

    def __call__(self, latents, timestep, sigma=None):
        eps = self.denoise(latents, timestep, sigma)
        for kept, value in zip(
            (self.latents, self.timesteps, self.sigmas, self.eps), (latents, timestep, sigma, eps), strict=True
        ):
            kept.append(value)
        return eps


def last_timestep(model, setting):
    """The smallest timestep still run: diffusers cuts a schedule at round(T - denoising_end T)."""
    steps = len(model.alphas_cumprod)
    return 0 if setting["denoising_end"] is None else round(steps - setting["denoising_end"] * steps)


def grid(model, setting):
    return dpm_solver.grid(model.alphas_cumprod, setting["num_inference_steps"], last_timestep(model, setting))


@pytest.fixture(scope="module")
def run(case, model, condition):
    """run(setting): the final latents and the recorder of one setting, computed once."""
    done = {}

    @torch.inference_mode()
    def sample(setting):
        stop = stop_timestep(grid(model, setting)[0], setting["guideTPercent"])
        pull = pull_towards(case["represent_latent"], model.alphas_cumprod, setting["gamma"], stop)
        recorder = Recorder(Guided(model, condition, setting["cfg"], pull))
        steps, last = setting["num_inference_steps"], last_timestep(model, setting)
        final = dpm_solver.sample(case["latents_unit_noise"], recorder, model.alphas_cumprod, steps, last)
        return final, recorder

    def once(setting):
        if setting["set"] not in done:
            done[setting["set"]] = sample(setting)
        return done[setting["set"]]

    return once


def assert_relatively_close(result, expected, within):
    """`within`: of the largest value expected."""
    assert expected.min() < expected.max()
    torch.testing.assert_close(result, expected, rtol=0, atol=within * expected.abs().max().item())


def test_tokens_equal_the_reference(case, model):
    prompt = case.facts["prompt"]
    tokens = [tokenize(prompt, *pair).tolist() for pair in zip(model.tokenizers, model.text_encoders, strict=True)]
    assert tokens == [[row] for row in case.facts["token_ids"]]


def test_conditions_equal_the_reference(case, model, condition):
    assert_close(condition["prompt_embeds"], case["prompt_embeds"], EMBEDDING_WITHIN)
    assert_close(condition["text_embeds"], case["pooled_prompt_embeds"], EMBEDDING_WITHIN)
    null = model.null(1)
    assert torch.equal(null["prompt_embeds"], case["negative_prompt_embeds"])
    assert torch.equal(null["text_embeds"], case["negative_pooled_prompt_embeds"])
    side = case.facts["image_size"]
    for branch in (condition, null):
        assert branch["time_ids"].tolist() == [[side, side, 0, 0, side, side]]


def test_noise_schedule_equals_the_reference(case, model):
    assert torch.equal(model.alphas_cumprod, case["alphas_cumprod"].double())


def test_grid_equals_the_reference(case, model, setting):
    timesteps, sigmas = grid(model, setting)
    executed = setting["steps_executed"]
    assert timesteps == case[f"set{setting['set']}_timesteps"].tolist()[:executed]
    assert len(timesteps) == executed
    # The reference's largest sigma is 14.6 and its grid is made in float32.
    torch.testing.assert_close(torch.tensor(sigmas), case[f"set{setting['set']}_sigmas"][:executed], rtol=1e-5, atol=0)


def test_guidance_stops_where_the_reference_stops(model, setting):
    timesteps, _ = grid(model, setting)
    stop = stop_timestep(timesteps, setting["guideTPercent"])
    assert stop == setting["stop_timestep"]
    assert timesteps[setting["stop_index"]] == stop
    guided_steps = sum(t > stop for t in timesteps) if setting["gamma"] else 0
    assert guided_steps == setting["guided_steps"]


@torch.inference_mode()
def test_every_prediction_equals_the_reference_from_its_own_latents(case, model, run, setting):
    """Each step alone: what the reference's latents are answered with."""
    _, recorder = run(setting)
    before = [case["latents_unit_noise"], *case[f"set{setting['set']}_latents_after_step"][:-1].split(1)]
    asked = zip(before, recorder.timesteps, recorder.sigmas, strict=True)
    expected = case[f"set{setting['set']}_noise_pred"]
    assert expected.min() < expected.max()
    for (latents, timestep, sigma), answer in zip(asked, expected.split(1), strict=True):
        assert_close(recorder.denoise(latents, timestep, sigma), answer, NOISE_WITHIN)


def test_the_whole_way_equals_the_reference(case, run, setting):
    """All steps in a row, rounding adding up: diffusers' own loop lands 0.9e-4 from these predictions of up to 40."""
    final, recorder = run(setting)
    name = f"set{setting['set']}"
    executed = setting["steps_executed"]
    assert recorder.timesteps == case[f"{name}_timesteps"].tolist()[:executed]
    torch.testing.assert_close(torch.tensor(recorder.sigmas), case[f"{name}_sigmas"][:executed], rtol=1e-5, atol=0)
    assert_close(torch.cat(recorder.eps), case[f"{name}_noise_pred"], NOISE_WITHIN)
    latents = torch.cat([*recorder.latents[1:], final])
    assert_relatively_close(latents, case[f"{name}_latents_after_step"], LATENT_WITHIN)


def test_final_latents_equal_the_reference(case, run, setting):
    expected = case[f"set{setting['set']}_final_latents"]
    assert expected.abs().max().item() == pytest.approx(setting["final_abs_max"])
    assert_relatively_close(run(setting)[0], expected, LATENT_WITHIN)


@torch.inference_mode()
def test_images_equal_the_reference(case, model, run):
    settings = {s["set"]: s for s in case.facts["settings"]}
    for name in case.find(r"set(\d+)_image"):
        images = (model.decode(run(settings[int(name[1])])[0]) / 2 + 0.5).clamp(0, 1).permute(0, 2, 3, 1)
        assert_close(images, case[name[0]], IMAGE_WITHIN)


# ---------------------------------------------------------------- the same guide on another sampler


@pytest.fixture(scope="module")
def through_ddim(case, model, condition):
    """through_ddim(strength): latents of ten DDIM steps; None is without a guide."""

    @torch.inference_mode()
    def sample(strength):
        pull = None
        if strength is not None:
            pull = pull_towards(case["represent_latent"], model.alphas_cumprod, strength, stop_at=0)
        denoise = Guided(model, condition, case.facts["settings"][0]["cfg"], pull)
        return ddim.sample(case["latents_unit_noise"], denoise, model.alphas_cumprod, 10, 9)

    return sample


def test_a_guide_without_strength_changes_nothing_on_ddim(through_ddim):
    assert torch.equal(through_ddim(0.0), through_ddim(None))


def test_a_stronger_guide_brings_ddim_closer_to_the_representative(case, through_ddim):
    strengths = sorted({0.0} | {s["gamma"] for s in case.facts["settings"]})
    assert len(strengths) > 1
    distances = [(through_ddim(s) - case["represent_latent"]).square().mean().item() for s in strengths]
    assert distances == sorted(distances, reverse=True)
    assert distances[-1] < 0.5 * distances[0]


@torch.inference_mode()
def test_one_step_moves_the_clean_latent_by_strength_times_guidance_times_the_difference(case, model, condition):
    """The conditional prediction loses strength (r - x0_c); CFG and sqrt(1 - abar) / sqrt(abar) carry that to x0."""
    latents, representative = case["latents_unit_noise"], case["represent_latent"]
    cfg, strength = case.facts["settings"][0]["cfg"], 0.05
    timestep = len(model.alphas_cumprod) // 2
    signal = model.alphas_cumprod[timestep].item()
    noise = (1 - signal) ** 0.5

    def clean(scale, pull=None):
        eps = Guided(model, condition, scale, pull)(latents, timestep)
        return (latents - noise * eps) / signal**0.5

    pull = pull_towards(representative, model.alphas_cumprod, strength, stop_at=timestep - 1)
    moved = clean(cfg, pull) - clean(cfg)
    expected = cfg * strength * noise / signal**0.5 * (representative - clean(1))
    assert_relatively_close(moved, expected, 1e-4)
    stopped = pull_towards(representative, model.alphas_cumprod, strength, stop_at=timestep)
    assert torch.equal(clean(cfg, stopped), clean(cfg))
