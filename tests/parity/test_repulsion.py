"""ASF's repulsion, its start from noised latents and its DPM-Solver++ on a tiny Stable Diffusion against its code."""

import json

import pytest
import torch

from retort.data.manifest import ClassEntry
from retort.methods import dpm_solver
from retort.methods.guidance import Guided
from retort.methods.terms import Terms
from retort.parts.guides import Course
from retort.parts.resolve import part_of

CLEAN_WITHIN = 2e-6
GIVEN_WITHIN = 1e-5  # of the largest: the prediction that is used, of the reference's own inputs
REPULSION_WITHIN = 2e-6  # of the largest guided value
STEP_WITHIN = 2e-4
FINAL_WITHIN = 1e-4
IMAGE_WITHIN = 2e-4
SAMPLER = part_of("samplers", {"kind": "dpm++", "spacing": "linspace"})


def pytest_generate_tests(metafunc):
    """One test for each setting of the folder that the command line names."""
    folder = metafunc.config.getoption("--parity-fixtures") / "repulsion"
    settings = json.loads((folder / "case.json").read_text())["settings"]
    if "wrong" in metafunc.fixturenames:
        usual = [s for s in settings if s["batch"] > 2 and s["coeff"] and not s.get("svgd", False)]
        cases = [(wrong, usual[0]) for wrong in ("all distances", "no sigma")]
        cases += [("upper median", s) for s in usual if s["batch"] % 2][:1]  # of an even number of others,
        cases += [("own distance", s) for s in usual if s["batch"] % 2 == 0][:1]  # and where one more shifts the lower
        metafunc.parametrize(("wrong", "setting"), cases, ids=[wrong for wrong, _ in cases])
    elif "setting" in metafunc.fixturenames:
        metafunc.parametrize("setting", settings, ids=[f"s{s['setting']}" for s in settings])


@pytest.fixture(scope="module")
def case(parity):
    return parity("repulsion")


@pytest.fixture(scope="module")
def model(case):
    return case.load_stable_diffusion()


def relatively_far(result, expected, least=1.0):
    assert result.shape == expected.shape
    return ((result - expected).abs().max() / max(least, expected.abs().max())).item()


def guide_of(setting):
    return part_of("guides", {"kind": "repulsion", "strength": setting["coeff"], "stein": setting.get("svgd", False)})


def first_of(setting):
    """As the start counts the steps that are made, of which the reference leaves the last one out."""
    start = part_of("starts", {"discovery": "any", "strength": setting["strength"]})
    return start, start.begins(setting["steps"])


def condition_of(model, setting):
    return model.condition([ClassEntry(i, f"n{i}", setting["prompt"]) for i in range(setting["batch"])])


def scale_of(setting):
    """The reference's guidance is one less than CFG's usual scale."""
    return setting["guidance"] + 1


def terms_of(model, setting):
    """The guide's term, as sampling has it."""
    grid = SAMPLER.grid(model.alphas_cumprod, setting["steps"], first_of(setting)[1])
    return Terms([guide_of(setting)], Course(model.alphas_cumprod, grid, [0] * setting["batch"], None)).arguments()


@torch.inference_mode()
def test_starts_equal_the_reference(case, model, setting):
    name, scale = f"s{setting['setting']}", model.codec.vae.config.scaling_factor
    images = case[f"{name}_images_uint8"].float() / 255 * 2 - 1
    posterior = model.codec.vae.encode(images.to(case.device)).latent_dist
    drawn = scale * (posterior.mean.cpu() + posterior.std.cpu() * case[f"{name}_vae_noise"])
    torch.testing.assert_close(drawn, case[f"{name}_init_latents"], rtol=0, atol=CLEAN_WITHIN)
    start, first = first_of(setting)
    signal = SAMPLER.signal(model.alphas_cumprod, setting["steps"], first)
    pairs = zip(case[f"{name}_noise"], case[f"{name}_init_latents"], strict=True)
    begun = torch.stack([start.begin(lambda noise=noise: noise, latent, signal) for noise, latent in pairs])
    torch.testing.assert_close(begun, case[f"{name}_noised"], rtol=0, atol=CLEAN_WITHIN)


def test_steps_equal_the_reference_but_for_the_last_which_it_leaves_out(case, model, setting):
    name = f"s{setting['setting']}"
    grid = SAMPLER.grid(model.alphas_cumprod, setting["steps"], first_of(setting)[1])
    assert grid == case[f"{name}_timesteps"].tolist()
    assert (len(grid), grid[0], grid[-1]) == tuple(
        setting[key] for key in ("steps_listed", "first_timestep", "last_listed_timestep")
    )
    signals = model.alphas_cumprod[grid[:-1]]
    sigmas = case[f"{name}_sigmas"]
    torch.testing.assert_close(((1 - signals) / signals).sqrt().float(), sigmas, rtol=1e-5, atol=0)
    repels = setting["coeff"] > 0 and (setting["batch"] > 2 or setting.get("svgd", False))
    assert int((sigmas >= guide_of(setting).least_sigma).sum()) * repels == setting["repelled_steps"]


@torch.inference_mode()
def test_prompts_equal_the_reference(case, model):
    setting = case.facts["settings"][0]
    prompt = model.condition([ClassEntry(0, "n0", setting["prompt"])])
    found = torch.cat([said["prompt_embeds"] for said in (prompt, model.null(1))])
    torch.testing.assert_close(found, case["prompt_and_negative_embeds"], rtol=0, atol=1e-5)


class Recorded:
    """A model that says what the reference's network said at each step."""

    def __init__(self, case, model, name, step):
        self.alphas_cumprod = model.alphas_cumprod
        self._said = torch.cat([case[f"{name}_eps_text"][step], case[f"{name}_eps_negative"][step]])

    def null(self, n):
        return {"rows": torch.zeros(n)}

    def eps(self, latents, timesteps, condition):
        return self._said


def used(case, model, setting, step, **terms):
    """The prediction that the sampler is given at a step of the reference, from the reference's own inputs."""
    name = f"s{setting['setting']}"
    latents = case[f"{name}_noised"] if step == 0 else case[f"{name}_latents"][step - 1]
    denoise = Guided(Recorded(case, model, name, step), {"rows": torch.zeros(len(latents))}, scale_of(setting), **terms)
    return denoise(latents, int(case[f"{name}_timesteps"][step]))


def test_the_prediction_that_is_used_equals_the_reference(case, model, setting):
    """And so does the repulsion in it; of two images, which the reference leaves alone, what is ours is not."""
    name = f"s{setting['setting']}"
    two = setting["batch"] == 2 and setting["coeff"] > 0
    pushed = []
    for step in range(setting["steps_run"]):
        plain, wanted = used(case, model, setting, step), case[f"{name}_eps_used"][step]
        if two:
            assert relatively_far(plain, wanted) < GIVEN_WITHIN
        found = used(case, model, setting, step, **terms_of(model, setting))
        repels = float(case[f"{name}_sigmas"][step]) >= 1 and setting["coeff"] > 0
        assert torch.equal(found, plain) != repels
        if not two:
            assert relatively_far(found, wanted) < GIVEN_WITHIN
            far = (plain - found) - (plain - wanted)
            assert far.abs().max() <= REPULSION_WITHIN * plain.abs().max()
        pushed += [((plain - found).norm() / plain.norm()).item()] if repels else []
    recorded = [share for share in setting["relative_size_of_repulsion"] if share > 0]
    if not two:
        assert pushed[: len(recorded)] == pytest.approx(recorded, rel=5e-2)


@torch.inference_mode()
def test_a_whole_run_equals_the_reference(case, model, setting):
    """All steps but the listed last one, with the network in the loop; two images as the reference has them, alone."""
    name = f"s{setting['setting']}"
    _, first = first_of(setting)
    terms = terms_of(model, setting) if setting["batch"] > 2 else {}
    denoise, after = Guided(model, condition_of(model, setting), scale_of(setting), **terms), []

    def recorded(latents, timestep, sigma):
        after.append(latents)
        return denoise(latents, timestep, sigma)

    begin, last = case[f"{name}_noised"], setting["last_listed_timestep"] + 1
    final = dpm_solver.sample(begin, recorded, model.alphas_cumprod, setting["steps"], last, first, karras=False)
    expected = case[f"{name}_latents"]
    assert len(after) == setting["steps_run"] == len(expected)
    for found, wanted in zip([*after[1:], final], expected, strict=True):
        assert relatively_far(found, wanted) < STEP_WITHIN
    assert relatively_far(final, expected[-1]) < FINAL_WITHIN
    assert final.abs().max().item() == pytest.approx(setting["final_abs_max"], rel=1e-4)
    image = (model.decode(final) / 2 + 0.5).clamp(0, 1).permute(0, 2, 3, 1)
    torch.testing.assert_close(image, case[f"{name}_image"], rtol=0, atol=IMAGE_WITHIN)


def test_a_wrong_reading_is_seen(case, model, wrong, setting):
    """The tolerance tells the reference's width and scale from their nearest neighbours."""
    name = f"s{setting['setting']}"
    latents, plain = case[f"{name}_noised"], used(case, model, setting, 0)
    flat, sigma = latents.flatten(1), float(case[f"{name}_sigmas"][0])
    distances = torch.cdist(flat, flat, compute_mode="donot_use_mm_for_euclid_dist")
    n = len(flat)
    others = torch.stack([row[torch.arange(n) != i] for i, row in enumerate(distances)]).sort(dim=1).values
    pick = (n - 1) // 2 if wrong == "upper median" else (n - 2) // 2
    median = distances.sort(dim=1).values[:, (n - 1) // 2] if wrong == "own distance" else others[:, pick]
    median = others.median() if wrong == "all distances" else median
    width = (median**2 / torch.log(torch.tensor(n - 1.0))).expand(n)[:, None]
    weights = torch.exp(-(distances**2) / width)
    pushed = (2 * weights / width)[:, :, None] * (flat[:, None] - flat)
    by = setting["coeff"] * (1 if wrong == "no sigma" else sigma)
    found = plain - by * pushed.sum(dim=1).reshape(latents.shape)
    wanted = case[f"{name}_eps_used"][0]
    assert (found - wanted).abs().max() > REPULSION_WITHIN * plain.abs().max()
