"""MGD3's guide of the posterior mean and its k-means modes against the code that carries them."""

import json

import numpy as np
import pytest
import torch
from diffusers.models.transformers.dit_transformer_2d import DiTTransformer2DModel

from retort.data.manifest import ClassEntry
from retort.methods.ancestral import Respaced, respace, walk
from retort.methods.guidance import Guided
from retort.methods.mode_guidance import last_guided, shift_towards
from retort.methods.modes import kmeans_modes, nearest_rows
from retort.models.dit import DiT, set_timestep_embedding
from retort.parts.resolve import part_of

GUIDED_CHANNELS = 3  # of the original DiT's code
STEP_WITHIN = 2e-4
SMALL = 100  # settings whose x0hat stays below are held to the closer tolerances
CENTRES_WITHIN = 1e-5


def pytest_generate_tests(metafunc):
    """One test for each setting, or each case of k-means, of the folder that the command line names."""
    facts = json.loads((metafunc.config.getoption("--parity-fixtures") / "mode_guidance" / "case.json").read_text())
    for fixture, samplers in (("setting", ("ddpm", "ddim_eta0")), ("ancestral", ("ddpm",)), ("ddim", ("ddim_eta0",))):
        if fixture in metafunc.fixturenames:
            settings = [s for s in facts["settings"] if s["sampler"] in samplers]
            metafunc.parametrize(fixture, settings, ids=[f"set{s['set']}" for s in settings])
    if "cloud" in metafunc.fixturenames:
        metafunc.parametrize("cloud", facts["kmeans_cases"], ids=[c["key"] for c in facts["kmeans_cases"]])


@pytest.fixture(scope="module")
def case(parity):
    return parity("mode_guidance")


@pytest.fixture(scope="module")
def model(case):
    transformer = DiTTransformer2DModel.from_pretrained(
        case.folder / "diffusers_transformer", use_safetensors=True, low_cpu_mem_usage=False
    )
    set_timestep_embedding(transformer, "original")
    alphas = torch.cumprod(1 - torch.linspace(1e-4, 0.02, 1000, dtype=torch.float64), 0)
    return case.placed(DiT(transformer.to(case.device), alphas, codec=None))


def schedule_of(model, setting):
    """Ours where the reference spreads timesteps evenly, and its strided timesteps elsewhere."""
    if setting["respacing"].startswith("ddim"):
        timesteps = setting["timestep_map"]
        return Respaced(timesteps, model.alphas_cumprod[timesteps].numpy())
    return respace(model.alphas_cumprod, setting["steps"])


def last_of(setting):
    return setting["timestep_map"][setting["stop_t"]] if setting["stop_t"] >= 0 else -1


def condition_of(model, setting):
    label = setting["label"]
    return model.condition([ClassEntry(label, f"c{label}", f"class {label}")])


def assert_relatively_close(result, expected, within, least=1.0):
    """`within`: of the largest value expected, which counts as at least `least`."""
    assert result.shape == expected.shape
    atol = within * max(least, expected.abs().max().item())
    torch.testing.assert_close(result, expected, rtol=0, atol=atol)


@pytest.fixture(scope="module")
def run(case, model):
    """run(setting): final latents, and (latents, x0hat, deviation, timestep) of each step, computed once."""
    done = {}

    @torch.inference_mode()
    def sample(setting):
        name, steps = f"set{setting['set']}", []
        shift = shift_towards(case[f"{name}_mode"], setting["lambda"], last_of(setting))

        def recorded(latents, clean, timestep, deviation):
            steps.append((latents, clean, deviation, timestep))
            return shift(latents, clean, timestep, deviation)

        draws = iter(case[f"{name}_draws"].split(1))
        denoise = Guided(model, condition_of(model, setting), setting["cfg_scale"], channels=GUIDED_CHANNELS)
        begin, schedule = case[f"{name}_start_noise"], schedule_of(model, setting)
        return walk(begin, denoise.with_variance, schedule, lambda: next(draws), recorded), steps

    def once(setting):
        if setting["set"] not in done:
            done[setting["set"]] = sample(setting)
        return done[setting["set"]]

    return once


def test_the_schedule_is_the_references(model, setting):
    schedule = schedule_of(model, setting)
    assert schedule.timesteps == setting["timestep_map"]
    assert len(schedule.timesteps) == setting["steps"]


def test_the_guide_ends_where_the_reference_ends(setting):
    """The part's share of the steps, for every stop that it can say; -1 guides also the last step."""
    grid, steps = setting["timestep_map"][::-1], setting["steps"]
    guided = [i for i, timestep in enumerate(setting["timestep_map"]) if timestep > last_of(setting)]
    assert guided == sorted(setting["guided_indices"])
    if setting["stop_t"] >= 0:
        assert last_guided(grid, 1 - setting["stop_t"] / steps) == last_of(setting) or not guided


def test_a_network_call_equals_the_reference(case, model):
    labels = case["forward_y"].tolist()
    classes = [ClassEntry(label, f"c{label}", f"class {label}") for label in labels]
    eps, variance = model.eps_and_variance(case["forward_x"], case["forward_t"], model.condition(classes))
    assert_relatively_close(torch.cat([eps, variance], dim=1), case["forward_out"], 2e-5)


def test_final_latents_equal_the_reference(case, run, ancestral):
    setting, (final, _) = ancestral, run(ancestral)
    expected = case[f"set{setting['set']}_final"]
    assert expected.abs().max().item() == pytest.approx(setting["final_abs_max"])
    assert_relatively_close(final, expected, 5e-5 if setting["max_abs_x0hat"] < SMALL else 2e-4)


def test_every_step_equals_the_reference(case, run, ancestral):
    setting, (final, steps) = ancestral, run(ancestral)
    name, small = f"set{setting['set']}", setting["max_abs_x0hat"] < SMALL
    assert [timestep for *_, timestep in steps] == setting["timestep_map"][::-1]
    after = torch.cat([latents for latents, *_ in steps[1:]] + [final])
    assert_relatively_close(after, case[f"{name}_latents_after_step"], STEP_WITHIN)
    clean, deviation = (torch.cat([step[i] for step in steps]) for i in (1, 2))
    assert_relatively_close(clean, case[f"{name}_x0hat"], STEP_WITHIN)
    torch.testing.assert_close(2 * deviation.log(), case[f"{name}_log_variance"], rtol=0, atol=1e-4 if small else 1e-3)
    draws = case[f"{name}_draws"].clone()
    draws[-1] = 0
    assert_relatively_close(after - deviation * draws, case[f"{name}_guided_mean"], STEP_WITHIN)


@torch.inference_mode()
def test_the_clean_form_equals_the_references_ddim_step_by_step(case, model, ddim):
    """DDIM with x0hat itself moved; the step's formula stands here, for ours ends as D3HR's code does."""
    setting, name = ddim, f"set{ddim['set']}"
    shift = shift_towards(case[f"{name}_mode"], setting["lambda"], last_of(setting))
    condition, scale = condition_of(model, setting), setting["cfg_scale"]
    denoise = Guided(model, condition, scale, clean_shift=shift, channels=GUIDED_CHANNELS)
    latents, found = case[f"{name}_start_noise"], []
    signals = [1.0, *model.alphas_cumprod[setting["timestep_map"]].tolist()]
    for index in reversed(range(setting["steps"])):
        now, then = signals[index + 1], signals[index]
        eps = denoise(latents, setting["timestep_map"][index])
        clean = (latents - (1 - now) ** 0.5 * eps) / now**0.5
        latents = then**0.5 * clean + (1 - then) ** 0.5 * eps
        found.append(latents)
    assert_relatively_close(torch.cat(found), case[f"{name}_latents_after_step"], STEP_WITHIN)
    assert_relatively_close(latents, case[f"{name}_final"], 5e-5)


@torch.inference_mode()
@pytest.mark.parametrize("wrong", ["all channels", "other stop", "posterior variance"])
def test_a_wrong_reading_is_seen(case, model, run, wrong):
    """The tolerance tells the reference's step from its nearest neighbours, as case.json measured them."""
    setting = next(s for s in case.facts["settings"] if s["sampler"] == "ddpm" and s["lambda"] and s["guided_indices"])
    name, schedule = f"set{setting['set']}", schedule_of(model, setting)
    last = last_of(setting) - (wrong == "other stop")
    shift = shift_towards(case[f"{name}_mode"], setting["lambda"], last)
    variance = dict(zip(schedule.timesteps, schedule.posterior_variance, strict=True))

    def read(latents, clean, timestep, deviation):
        return shift(
            latents, clean, timestep, deviation if wrong != "posterior variance" else variance[timestep] ** 0.5
        )

    channels = None if wrong == "all channels" else GUIDED_CHANNELS
    denoise = Guided(model, condition_of(model, setting), setting["cfg_scale"], channels=channels)
    draws = iter(case[f"{name}_draws"].split(1))
    found = walk(case[f"{name}_start_noise"], denoise.with_variance, schedule, lambda: next(draws), read)
    expected = case[f"{name}_final"]
    assert (found - expected).abs().max() > 5e-5 * max(1.0, expected.abs().max().item())


# ---------------------------------------------------------------- modes


def test_modes_equal_the_reference(case, cloud):
    latents = case[f"kmeans_{cloud['cloud']}_latents"].numpy()
    rows = latents.reshape(len(latents), -1)
    centres, labels = kmeans_modes(rows, cloud["k"], seed=0)
    expected = case[f"{cloud['key']}_centres"].numpy().reshape(cloud["k"], -1)
    np.testing.assert_allclose(centres, expected, rtol=0, atol=CENTRES_WITHIN)
    assert labels.tolist() == case[f"{cloud['key']}_labels"].tolist()
    nearest = nearest_rows(rows, centres)
    assert nearest.tolist() == case[f"{cloud['key']}_nearest_index"].tolist()
    distinct = nearest_rows(rows, centres, distinct=True)
    assert len(set(distinct)) == cloud["k"]
    if len(set(nearest)) == cloud["k"]:
        assert distinct.tolist() == nearest.tolist()


@pytest.mark.parametrize("centres", ["mean", "nearest"])
def test_the_part_finds_the_references_modes(case, cloud, centres):
    latents = case[f"kmeans_{cloud['cloud']}_latents"].numpy()
    part = part_of("discoveries", {"kind": "kmeans", "encoder": "any", "centres": centres})
    found = part.find(latents, [str(i) for i in range(len(latents))], cloud["k"], 0)
    assert list(found.sizes) == cloud["sizes"]
    if centres == "mean":
        expected = case[f"{cloud['key']}_centres"].numpy().reshape(found.centres.shape)
        np.testing.assert_allclose(found.centres, expected, rtol=0, atol=CENTRES_WITHIN)
    else:
        assert found.centres is None
