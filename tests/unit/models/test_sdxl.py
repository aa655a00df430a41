"""Stable Diffusion XL behind the model interface, against diffusers' own pipeline on tiny random weights."""

import json
import shutil

import pytest
import torch
from diffusers import StableDiffusionXLPipeline
from tests.helpers import tiny_pipelines as tiny
from tests.helpers.saved_pipelines import save_sdxl

from retort.base.errors import RetortError
from retort.data.manifest import ClassEntry
from retort.models.load import CodecFiles, ModelFiles, load_diffusion

TENCH, CRANE = ClassEntry(0, "n01440764", "tench, Tinca tinca"), ClassEntry(1, "n02012849", "crane")
STEPS, GUIDANCE = 10, 3.0


@pytest.fixture(scope="module", params=[True, False], ids=["zeros for null", "empty prompt for null"])
def directory(request, tmp_path_factory):
    return save_sdxl(tmp_path_factory.mktemp("sdxl"), zeros=request.param)


def load(directory, resolution=tiny.SIDE, kind="sdxl", dtype="float32", **more):
    codec = CodecFiles(str(directory / "vae"), "float32", resolution)
    return load_diffusion(ModelFiles(str(directory), dtype, kind=kind, **more), codec)


def theirs(directory):
    return StableDiffusionXLPipeline.from_pretrained(directory, add_watermarker=False)


def noise(n=1):
    side = tiny.SIDE // 2
    return torch.randn(n, 4, side, side, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize(
    ("more", "prompts"),
    [({}, ["tench", "crane"]), ({"prompt": "a {name} x"}, ["a tench x", "a crane x"])],
)
@torch.no_grad()
def test_prompts_are_encoded_as_by_the_pipeline(directory, more, prompts):
    model, pipeline = load(directory, **more), theirs(directory)
    condition, null = model.condition([TENCH, CRANE, TENCH]), model.null(2)
    expected = [pipeline.encode_prompt(prompt, device="cpu") for prompt in prompts]
    assert set(condition) == set(null) == {"prompt_embeds", "text_embeds", "time_ids"}
    for key, positive, negative in (("prompt_embeds", 0, 1), ("text_embeds", 2, 3)):
        assert torch.equal(condition[key], torch.cat([expected[i][positive] for i in (0, 1, 0)]))
        assert torch.equal(null[key], torch.cat([expected[0][negative]] * 2))
        assert not torch.equal(expected[0][positive], expected[1][positive])
        zeros = json.loads((directory / "model_index.json").read_text())["force_zeros_for_empty_prompt"]
        assert bool(null[key].any()) != zeros


@torch.no_grad()
def test_a_negative_prompt_takes_the_place_of_zeros(directory):
    model, pipeline = load(directory, negative="crane"), theirs(directory)
    expected = pipeline.encode_prompt("tench", device="cpu", negative_prompt="crane")
    assert torch.equal(model.null(1)["prompt_embeds"], expected[1])
    assert torch.equal(model.null(1)["text_embeds"], expected[3])


@pytest.mark.parametrize("resolution", [tiny.SIDE, 2 * tiny.SIDE])
def test_images_are_said_to_be_whole_and_of_the_codecs_size(directory, resolution):
    model, pipeline = load(directory, resolution), theirs(directory)
    size, corner = (resolution, resolution), (0, 0)
    projection = pipeline.text_encoder_2.config.projection_dim
    expected = pipeline._get_add_time_ids(size, corner, size, torch.float32, projection).repeat(2, 1)
    assert torch.equal(model.condition([TENCH, CRANE])["time_ids"], expected)
    assert torch.equal(model.null(2)["time_ids"], expected)
    assert model.latent_shape == (4, resolution // 2, resolution // 2)


@torch.no_grad()
def test_guided_ddim_passes_through_the_latents_of_the_pipeline(directory):
    tiny.check_guided_ddim(load(directory), theirs(directory), TENCH, STEPS, GUIDANCE)


@torch.no_grad()
def test_images_are_those_of_the_pipeline(directory):
    tiny.check_images(load(directory), theirs(directory), TENCH, STEPS, GUIDANCE)


@torch.no_grad()
def test_noise_is_predicted_in_the_precision_of_the_latents(directory):
    model, times = load(directory, dtype="bfloat16"), torch.tensor([500])
    condition = model.condition([TENCH])
    assert {value.dtype for value in condition.values()} == {torch.bfloat16}
    eps, variance = model.eps_and_variance(noise(), times, condition)
    assert eps.dtype == torch.float32
    assert variance is None
    exact = load(directory)
    torch.testing.assert_close(eps, exact.eps(noise(), times, exact.condition([TENCH])), rtol=0, atol=0.1)


def test_every_prompt_is_encoded_once_and_alone(directory):
    model, encoded = load(directory), []
    for encoder in model.text_encoders:
        encoder.register_forward_hook(lambda _, inputs, __: encoded.append(inputs[0].shape))
    for _ in range(2):
        model.condition([TENCH, CRANE, TENCH])
        model.null(3)
    assert encoded == [(1, tiny.LENGTH)] * 6


def test_an_index_that_does_not_say_so_means_zeros(directory, tmp_path):
    """As in diffusers."""
    copy = shutil.copytree(directory, tmp_path / "copy")
    index = json.loads((copy / "model_index.json").read_text())
    del index["force_zeros_for_empty_prompt"]
    (copy / "model_index.json").write_text(json.dumps(index))
    assert not load(copy).null(1)["prompt_embeds"].any()


def test_a_pipeline_of_the_other_kind_is_refused(directory, tmp_path):
    with pytest.raises(RetortError, match=r"no Stable Diffusion 1\.x or 2\.x; is its kind sdxl\?"):
        load(directory, kind="sd")
    copy = shutil.copytree(directory, tmp_path / "copy")
    tiny.unet(16, attention_head_dim=2).save_pretrained(copy / "unet")
    with pytest.raises(RetortError, match=r"no Stable Diffusion XL; is its kind sd\?"):
        load(copy)
