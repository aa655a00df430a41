"""Stable Diffusion behind the model interface, against diffusers' own pipeline on tiny random weights."""

import json
import shutil
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from diffusers import StableDiffusionPipeline
from safetensors.torch import load_file, save_file
from tests.helpers import tiny_pipelines as tiny
from tests.helpers.saved_pipelines import VERSIONS, save_stable_diffusion

from retort.base.errors import RetortError
from retort.data.imagenet import imagenet_names
from retort.data.manifest import ClassEntry
from retort.methods.guidance import Guided
from retort.models.load import CodecFiles, ModelFiles, load_diffusion

TENCH, CRANE = ClassEntry(0, "n01440764", "tench, Tinca tinca"), ClassEntry(1, "n02012849", "crane")
STEPS, GUIDANCE = 10, 3.0


@pytest.fixture(scope="module")
def directories(tmp_path_factory):
    return {version: save_stable_diffusion(tmp_path_factory.mktemp("sd") / version, version) for version in VERSIONS}


@pytest.fixture(params=sorted(VERSIONS))
def directory(request, directories):
    return directories[request.param]


def load(directory, dtype="float32", resolution=tiny.SIDE, vae=None, **more):
    codec = CodecFiles(str(vae or directory / "vae"), "float32", resolution)
    return load_diffusion(ModelFiles(str(directory), dtype, kind="sd", **more), codec)


def theirs(directory):
    return StableDiffusionPipeline.from_pretrained(directory)


def noise(n=1, side=tiny.SIDE // 2):
    return torch.randn(n, 4, side, side, generator=torch.Generator().manual_seed(0))


@pytest.fixture
def copy(directories, tmp_path):
    return shutil.copytree(directories["1.x"], tmp_path / "copy")


def edit(file: Path, **changes):
    file.write_text(json.dumps(json.loads(file.read_text()) | changes))


# ---------------------------------------------------------------- the same model as diffusers'


@pytest.mark.parametrize(
    ("more", "prompts"),
    [({}, ["tench", "crane"]), ({"prompt": "a {name} x"}, ["a tench x", "a crane x"])],
)
@torch.no_grad()
def test_prompts_are_encoded_as_by_the_pipeline(directory, more, prompts):
    model, pipeline = load(directory, **more), theirs(directory)
    condition = model.condition([TENCH, CRANE, TENCH])
    expected = [pipeline.encode_prompt(prompt, "cpu", 1, True) for prompt in prompts]
    assert set(condition) == {"prompt_embeds"}
    assert torch.equal(condition["prompt_embeds"], torch.cat([expected[i][0] for i in (0, 1, 0)]))
    assert torch.equal(model.null(2)["prompt_embeds"], torch.cat([expected[0][1]] * 2))
    assert not torch.equal(expected[0][0], expected[1][0])
    assert not torch.equal(expected[0][0], expected[0][1])


@torch.no_grad()
def test_guided_ddim_passes_through_the_latents_of_the_pipeline(directory):
    tiny.check_guided_ddim(load(directory), theirs(directory), TENCH, STEPS, GUIDANCE)


@torch.no_grad()
def test_images_are_those_of_the_pipeline(directory):
    tiny.check_images(load(directory), theirs(directory), TENCH, STEPS, GUIDANCE)


@torch.no_grad()
def test_schedule_is_the_pipelines_own_in_double_precision(directory):
    model = load(directory)
    assert model.alphas_cumprod.dtype == torch.float64
    assert torch.equal(model.alphas_cumprod, theirs(directory).scheduler.alphas_cumprod.double())


@torch.no_grad()
def test_v_becomes_noise_image_by_image(directories):
    model, times, latents = load(directories["2.x"]), torch.tensor([10, 900]), noise(2)
    condition = model.condition([TENCH, CRANE])
    v = model.unet(latents, times, condition["prompt_embeds"]).sample
    abar = model.alphas_cumprod[times].float()[:, None, None, None]
    expected = abar.sqrt() * v + (1 - abar).sqrt() * latents
    torch.testing.assert_close(model.eps(latents, times, condition), expected, rtol=1e-5, atol=1e-6)


@torch.no_grad()
def test_a_true_v_becomes_the_true_noise(directories, monkeypatch):
    """Salimans and Ho (2022), appendix D: v = sqrt(abar) eps - sqrt(1 - abar) x0."""
    model, times, clean = load(directories["2.x"]), torch.tensor([10, 900]), 0.5 * torch.ones(2, 4, 8, 8)
    abar = model.alphas_cumprod[times].float()[:, None, None, None]
    v = abar.sqrt() * noise(2) - (1 - abar).sqrt() * clean
    monkeypatch.setattr(model.unet, "forward", lambda *_, **__: SimpleNamespace(sample=v))
    eps = model.eps(abar.sqrt() * clean + (1 - abar).sqrt() * noise(2), times, model.null(2))
    torch.testing.assert_close(eps, noise(2), rtol=0, atol=1e-5)


@torch.no_grad()
def test_no_variance_is_learned(directory):
    model, times = load(directory), torch.tensor([500])
    eps, variance = model.eps_and_variance(noise(), times, model.null(1))
    assert torch.equal(eps, model.eps(noise(), times, model.null(1)))
    assert variance is None


@torch.no_grad()
def test_images_pass_through_the_codec(directories):
    model = load(directories["1.x"])
    images = torch.rand(2, 3, tiny.SIDE, tiny.SIDE, generator=torch.Generator().manual_seed(0)) * 2 - 1
    latents = model.encode(images)
    assert torch.equal(latents, model.codec.encode(images))
    assert torch.equal(model.decode(latents), model.codec.decode(latents))
    draws = [model.encode(images, [torch.Generator().manual_seed(s) for s in seeds]) for seeds in ((1, 2), (1, 3))]
    assert torch.equal(draws[0][0], draws[1][0])
    assert not torch.equal(draws[0][1], draws[1][1])


# ---------------------------------------------------------------- sizes, precisions, gradients


@torch.no_grad()
@pytest.mark.parametrize("resolution", [tiny.SIDE, 2 * tiny.SIDE])
def test_latents_are_as_large_as_the_encoder_makes_them(directories, resolution):
    model = load(directories["1.x"], resolution=resolution)
    assert model.latent_shape == (4, resolution // 2, resolution // 2)
    latents = noise(side=resolution // 2)
    assert model.eps(latents, torch.tensor([500]), model.null(1)).shape == latents.shape


@torch.no_grad()
@pytest.mark.parametrize("dtype", ["float64", "bfloat16"])
def test_noise_is_predicted_in_the_precision_of_the_latents(directory, dtype):
    model, times = load(directory, dtype), torch.tensor([500])
    assert model.dtype == getattr(torch, dtype)
    eps = model.eps(noise(), times, model.condition([TENCH]))
    assert eps.dtype == torch.float32
    expected = load(directory)
    exact = expected.eps(noise(), times, expected.condition([TENCH]))
    torch.testing.assert_close(eps, exact, rtol=0, atol={"float64": 1e-5, "bfloat16": 0.1}[dtype])


def test_prompts_encoded_under_inference_mode_serve_gradients_later(directory):
    model, times = load(directory), torch.tensor([500])
    with torch.inference_mode():
        model.condition([TENCH])
        model.null(1)
    latents = noise().requires_grad_()
    eps = Guided(model, model.condition([TENCH]), GUIDANCE)(latents, times.item())
    eps.square().sum().backward()
    assert latents.grad.abs().max() > 0
    assert all(p.grad is None for p in model.unet.parameters())


def test_the_null_branch_is_the_negative_prompt_and_names_are_all_of_them(directories):
    model = load(directories["1.x"], prompt="{names}", negative="painting")
    plain = load(directories["1.x"])
    assert torch.equal(model.null(2)["prompt_embeds"], plain.encode_prompt("painting")["prompt_embeds"].repeat(2, 1, 1))
    assert not torch.equal(model.null(1)["prompt_embeds"], plain.null(1)["prompt_embeds"])
    whole = plain.encode_prompt("tench, Tinca tinca")["prompt_embeds"]
    assert torch.equal(model.condition([TENCH])["prompt_embeds"], whole)
    assert not torch.equal(plain.condition([TENCH])["prompt_embeds"], whole)


def test_every_prompt_is_encoded_once_and_alone(directories):
    model, encoded = load(directories["1.x"]), []
    model.text_encoder.register_forward_hook(lambda _, inputs, __: encoded.append(inputs[0].shape))
    for _ in range(2):
        model.condition([TENCH, CRANE, TENCH])
        model.null(3)
    assert encoded == [(1, tiny.LENGTH)] * 3


# ---------------------------------------------------------------- directories as they are found


def test_weights_under_their_published_names_are_the_same_weights(copy, directories):
    """The hub's text encoders begin every name with text_model and hold the positions too."""
    file = copy / "text_encoder" / "model.safetensors"
    weights = {f"text_model.{key.removeprefix('text_model.')}": value for key, value in load_file(file).items()}
    weights["text_model.embeddings.position_ids"] = torch.arange(tiny.LENGTH)[None]
    save_file(weights, file, metadata={"format": "pt"})
    expected = load(directories["1.x"]).condition([TENCH])["prompt_embeds"]
    assert torch.equal(load(copy).condition([TENCH])["prompt_embeds"], expected)


@pytest.mark.parametrize("part", ["text_encoder/model", "unet/diffusion_pytorch_model"])
def test_weights_with_holes_are_refused(copy, part):
    file = copy / f"{part}.safetensors"
    weights = load_file(file)
    hole = next(key for key in sorted(weights) if key.endswith("bias"))
    del weights[hole]
    save_file(weights, file, metadata={"format": "pt"})
    with pytest.raises(RetortError, match=rf"{file.parent.name} lacks 1 weights .*{hole}"):
        load(copy)


def test_a_tokenizer_without_its_length_takes_the_text_encoders(copy, directories):
    file = copy / "tokenizer" / "tokenizer_config.json"
    settings = json.loads(file.read_text())
    del settings["model_max_length"]
    file.write_text(json.dumps(settings))
    condition = load(copy).condition([TENCH])["prompt_embeds"]
    assert torch.equal(condition, load(directories["1.x"]).condition([TENCH])["prompt_embeds"])


def test_a_schedule_that_ends_in_pure_noise_is_honoured(copy):
    edit(copy / "scheduler" / "scheduler_config.json", rescale_betas_zero_snr=True, prediction_type="v_prediction")
    model = load(copy)
    assert model.alphas_cumprod[-1] == 0
    # There x is the noise, whatever v is.
    assert torch.equal(model.eps(noise(), torch.tensor([999]), model.null(1)), noise())


def test_a_model_that_predicts_the_image_is_refused(copy):
    edit(copy / "scheduler" / "scheduler_config.json", prediction_type="sample")
    with pytest.raises(RetortError, match=r"scheduler_config\.json: prediction_type is 'sample'; .*v_prediction"):
        load(copy)


def test_an_encoder_of_other_channels_is_refused(directories, tmp_path):
    tiny.vae(latent_channels=16).save_pretrained(tmp_path / "vae")
    with pytest.raises(RetortError, match=r"latents \(4, 8, 8\), but .* makes \(16, 8, 8\) at 16 pixels"):
        load(directories["1.x"], vae=tmp_path / "vae")


def test_a_prompt_without_a_place_for_the_name_is_refused(directories):
    with pytest.raises(RetortError, match=r"'a fish' is the same for every class; write \{name\} into it"):
        load(directories["1.x"], prompt="a fish")


def test_a_prompt_may_hold_other_braces(directories):
    model = load(directories["1.x"], prompt="{} a {name}")
    assert model.condition([TENCH])["prompt_embeds"].shape == (1, tiny.LENGTH, 16)


@pytest.mark.parametrize("name", ["", "  ", ", Tinca tinca"])
def test_a_class_without_a_first_name_is_refused(directories, name):
    model = load(directories["1.x"])
    model.check_classes([TENCH, CRANE])
    with pytest.raises(RetortError, match=r"class 'n01440764' has no name"):
        model.check_classes([CRANE, ClassEntry(0, "n01440764", name)])


def test_classes_that_are_prompted_alike_are_refused_but_imagenets_own_warned_of(directories, capsys):
    model, crane = load(directories["1.x"]), imagenet_names()["n02012849"]
    with pytest.raises(RetortError, match=r"classes ant and bee have the same name in a prompt, 'crane'"):
        model.check_classes([ClassEntry(0, "ant", "crane"), ClassEntry(1, "bee", "Crane, machine")])
    model.check_classes([ClassEntry(0, "n02012849", crane), ClassEntry(1, "n03126707", imagenet_names()["n03126707"])])
    said = capsys.readouterr().out
    assert said.startswith("warning: classes n02012849 and n03126707 have the same name in a prompt")
    assert "dataset.class_names" in said
