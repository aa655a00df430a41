"""Every backbone in every precision, through everything that methods do with it."""

import json

import pytest
import torch
from tests.helpers import tiny_pipelines as tiny
from tests.helpers.parts import sampling as sampling_by
from tests.helpers.saved_pipelines import save_refiner, save_sdxl, save_stable_diffusion
from tests.unit.models import test_dit
from tests.unit.models.test_refiner import CRANE, TENCH

from retort.methods import ddim
from retort.methods.ancestral import respace
from retort.methods.guidance import Guided
from retort.methods.refinement import refine
from retort.methods.sampling import sample
from retort.methods.typicality import draw_noises, typicality_maps
from retort.models.load import CodecFiles, ModelFiles, RefinerFiles, load_diffusion

# Of the largest number of each result; rounding at eleven and at eight bits, carried through a few steps.
WITHIN = {"float16": 0.05, "bfloat16": 0.4}


@pytest.fixture(scope="module")
def directories(tmp_path_factory):
    folder = tmp_path_factory.mktemp("models")
    saved = {
        "dit": test_dit.save_dit(folder / "dit", classes=2),
        "sd 1.x": save_stable_diffusion(folder / "sd1", "1.x"),
        "sd 2.x": save_stable_diffusion(folder / "sd2", "2.x"),
        "sdxl": save_sdxl(folder / "sdxl"),
        "refiner": save_refiner(folder / "refiner"),
    }
    for directory in saved.values():  # or the encoder would run in float32 all the same
        config = directory / "vae" / "config.json"
        config.write_text(json.dumps(json.loads(config.read_text()) | {"force_upcast": False}))
    return saved


def load(directories, name, dtype):
    directory = directories["sdxl" if name == "refined" else name]
    end = RefinerFiles(str(directories["refiner"]), dtype, 0.6) if name == "refined" else None
    kind = {"sd 1.x": "sd", "sd 2.x": "sd", "refined": "sdxl"}.get(name, name)
    codec = CodecFiles(str(directory / "vae"), dtype, tiny.SIDE)
    return load_diffusion(ModelFiles(str(directory), dtype, kind=kind, refiner=end), codec)


def results(model) -> dict[str, torch.Tensor]:
    draw, alphas = torch.Generator().manual_seed(0), model.alphas_cumprod
    shape = (2, *model.latent_shape)
    start, noise = torch.randn(shape, generator=draw), torch.randn(shape, generator=draw)
    condition, null = model.condition([TENCH, CRANE]), model.null(2)
    made = {"encoded": model.encode(torch.rand(2, 3, tiny.SIDE, tiny.SIDE, generator=draw) * 2 - 1)}
    made["decoded"] = model.decode(start)
    for sampler in ("ddim", "ddpm", "dpm++"):
        by = sampling_by(sampler, 4, None, 2.0)
        made[sampler] = sample(model, condition, start, by, [TENCH.index, CRANE.index], None, lambda: noise)
    made["inverted"] = ddim.invert(start, Guided(model, condition, 2.0), alphas, 10, 6)
    draws = draw_noises(model.latent_shape, 3, len(alphas), 0.1, 0.7, draw)
    made["typicality"] = typicality_maps(model, start, condition, null, *draws, draws_per_batch=2)
    schedule, indices = respace(alphas, 50), torch.tensor([[3, 7, 1], [11, 2, 5]])
    made["refined"], made["loss"] = refine(
        start,
        noise,
        lambda x, t: model.eps(x, t, null),
        schedule,
        indices,
        lr=6e-4,
        peak_weight=10.0,
        timestep="mapped",
    )
    return made


@pytest.fixture(scope="module")
def exact(directories):
    made = {}
    return lambda name: made.setdefault(name, results(load(directories, name, "float32")))


@pytest.mark.parametrize("dtype", WITHIN)
@pytest.mark.parametrize("name", ["dit", "sd 1.x", "sd 2.x", "sdxl", "refined"])
def test_a_model_in_half_precision_does_everything_nearly_as_well(directories, exact, name, dtype):
    model = load(directories, name, dtype)
    assert {p.dtype for network in model.networks for p in network.parameters()} == {getattr(torch, dtype)}
    expected = exact(name)
    for what, found in results(model).items():
        assert found.dtype == torch.float32, what
        assert found.isfinite().all(), what
        missed = (found - expected[what]).abs().max() / expected[what].abs().max()
        assert missed < WITHIN[dtype], (what, missed)
        assert missed > 0, what
