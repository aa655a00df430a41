"""SDXL handed over to its refiner, against diffusers' two pipelines one after the other."""

import json
import shutil

import pytest
import torch
from diffusers import StableDiffusionXLImg2ImgPipeline, StableDiffusionXLPipeline
from tests.helpers import tiny_pipelines as tiny
from tests.helpers.saved_pipelines import SCHEDULE, save_refiner, save_sdxl

from retort.base.errors import RetortError
from retort.data.manifest import ClassEntry
from retort.models.load import CodecFiles, ModelFiles, RefinerFiles, load_diffusion

TENCH, CRANE = ClassEntry(0, "n01440764", "tench, Tinca tinca"), ClassEntry(1, "n02012849", "crane")
STEPS, GUIDANCE, START = 10, 3.0, 0.8


@pytest.fixture(scope="module")
def base(tmp_path_factory):
    return save_sdxl(tmp_path_factory.mktemp("base"))


@pytest.fixture(scope="module", params=[False, True], ids=["empty prompt for null", "zeros for null"])
def refiner(request, tmp_path_factory):
    return save_refiner(tmp_path_factory.mktemp("refiner"), zeros=request.param)


def load(base, refiner, start=START, dtype="float32", refiner_dtype="float32"):
    files = RefinerFiles(str(refiner), refiner_dtype, start) if refiner else None
    codec = CodecFiles(str(base / "vae"), "float32", tiny.SIDE)
    return load_diffusion(ModelFiles(str(base), dtype, kind="sdxl", refiner=files), codec)


def noise(n=2):
    return torch.randn(n, 4, 8, 8, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize(("start", "guidance"), [(0.8, GUIDANCE), (0.8, 1.0), (0.37, GUIDANCE)])
@torch.no_grad()
def test_images_are_those_of_the_two_pipelines(base, refiner, start, guidance):
    model = load(base, refiner, start)
    first = StableDiffusionXLPipeline.from_pretrained(base, add_watermarker=False)
    second = StableDiffusionXLImg2ImgPipeline.from_pretrained(refiner, add_watermarker=False)
    first.scheduler, second.scheduler = tiny.ddim(first), tiny.ddim(second)
    second.set_progress_bar_config(disable=True)
    begun = tiny.painted(first, "tench", noise(), STEPS, guidance, output_type="latent", denoising_end=start)
    again = {"num_inference_steps": STEPS, "guidance_scale": guidance, "output_type": "pt"}
    ended = [second("tench", image=z[None], denoising_start=start, **again).images for z in begun]
    ours = tiny.stepped(model, model.condition([TENCH, TENCH]), noise(), tiny.ddim(first), STEPS, guidance)
    torch.testing.assert_close(ours, torch.cat(ended), rtol=0, atol=tiny.WITHIN)
    alone = load(base, None)
    unrefined = tiny.stepped(alone, alone.condition([TENCH, TENCH]), noise(), tiny.ddim(first), STEPS, guidance)
    assert (ours - unrefined).abs().max() > 1e-3


@torch.no_grad()
def test_the_refiner_takes_over_below_the_cutoff_image_by_image(base, refiner):
    model, times = load(base, refiner), torch.tensor([199, 200, 0, 999])
    condition = model.condition([TENCH, CRANE, CRANE, TENCH])
    together = model.eps(noise(4), times, condition)
    calls = {"base": [], "refiner": []}
    model.unet.register_forward_hook(lambda _, inputs, __: calls["base"].extend(inputs[1].tolist()))
    model.refiner.unet.register_forward_hook(lambda _, inputs, __: calls["refiner"].extend(inputs[1].tolist()))
    for i in range(4):
        one = {key: value[i : i + 1] for key, value in condition.items()}
        alone = model.eps(noise(4)[i : i + 1], times[i : i + 1], one)
        torch.testing.assert_close(together[i : i + 1], alone, rtol=0, atol=1e-5)
    assert calls == {"base": [200, 999], "refiner": [199, 0]}


def test_gradients_pass_through_mixed_batches(base, refiner):
    model, latents = load(base, refiner), noise().requires_grad_()
    model.eps(latents, torch.tensor([10, 900]), model.null(2)).square().sum().backward()
    assert (latents.grad.flatten(1).abs().amax(1) > 0).all()


@torch.no_grad()
def test_the_null_image_has_a_low_score(base, refiner):
    model, side = load(base, refiner), tiny.SIDE
    assert model.condition([TENCH])["refiner_time_ids"].tolist() == [[side, side, 0, 0, 6.0]]
    assert model.null(1)["refiner_time_ids"].tolist() == [[side, side, 0, 0, 2.5]]
    zeros = json.loads((refiner / "model_index.json").read_text())["force_zeros_for_empty_prompt"]
    assert bool(model.null(1)["refiner_prompt_embeds"].any()) != zeros
    assert not model.null(1)["prompt_embeds"].any()


@torch.no_grad()
def test_each_runs_in_its_own_precision(base, refiner):
    model, times = load(base, refiner, dtype="bfloat16", refiner_dtype="float16"), torch.tensor([100, 900])
    assert (model.unet.dtype, model.refiner.unet.dtype) == (torch.bfloat16, torch.float16)
    found, exact = model.eps(noise(), times, model.condition([TENCH, CRANE])), load(base, refiner)
    assert found.dtype == torch.float32
    torch.testing.assert_close(found, exact.eps(noise(), times, exact.condition([TENCH, CRANE])), rtol=0, atol=0.1)


def test_a_base_model_is_no_refiner(base):
    with pytest.raises(RetortError, match="is no refiner of SDXL: its UNet takes no aesthetic score"):
        load(base, base)


@pytest.mark.parametrize(
    "changes", [{"beta_end": 0.02}, {"num_train_timesteps": 500}, {"prediction_type": "v_prediction"}]
)
def test_a_refiner_of_another_schedule_is_refused(base, tmp_path, changes):
    other = save_refiner(tmp_path / "refiner", schedule=SCHEDULE | changes)
    with pytest.raises(RetortError, match="the refiner was trained on another noise schedule"):
        load(base, other)


def test_an_index_that_does_not_say_so_means_zeros(base, refiner, tmp_path):
    """As in diffusers."""
    copy = shutil.copytree(refiner, tmp_path / "copy")
    index = json.loads((copy / "model_index.json").read_text())
    del index["force_zeros_for_empty_prompt"]
    (copy / "model_index.json").write_text(json.dumps(index))
    assert not load(base, copy).null(1)["refiner_prompt_embeds"].any()
