"""Encoders as they are published: their own scales, precisions in which they overflow, names of old."""

import json

import pytest
import torch
from diffusers import AutoencoderKL
from safetensors.torch import load_file, save_file
from tests.helpers import tiny_pipelines as tiny

from retort.base.errors import RetortError
from retort.base.running import Running
from retort.models.load import CodecFiles, load_codec


@pytest.fixture
def vae(tmp_path):
    tiny.vae().save_pretrained(tmp_path / "vae")
    return tmp_path / "vae"


def configure(vae, **changes):
    file = vae / "config.json"
    config = json.loads(file.read_text()) | changes
    file.write_text(json.dumps({key: value for key, value in config.items() if value is not ...}))
    return vae


def load(vae, dtype="float32", **run):
    return load_codec(CodecFiles(str(vae), dtype, tiny.SIDE, Running(**run)))


def images(n=2):
    return torch.rand(n, 3, tiny.SIDE, tiny.SIDE, generator=torch.Generator().manual_seed(0)) * 2 - 1


@pytest.mark.parametrize("scale", [0.13025, 0.18215, 1.5])
@torch.no_grad()
def test_each_encoder_has_its_own_scale(vae, scale):
    codec = load(configure(vae, scaling_factor=scale))
    posterior = AutoencoderKL.from_pretrained(vae, low_cpu_mem_usage=False).encode(images()).latent_dist
    torch.testing.assert_close(codec.encode(images()), scale * posterior.mean)
    expected = AutoencoderKL.from_pretrained(vae, low_cpu_mem_usage=False).decode(posterior.mean).sample
    torch.testing.assert_close(codec.decode(scale * posterior.mean), expected, rtol=0, atol=1e-5)


@pytest.mark.parametrize(
    ("dtype", "upcast", "runs"),
    [
        ("float16", True, torch.float32),
        ("float16", False, torch.float16),
        ("float16", ..., torch.float16),
        ("bfloat16", True, torch.bfloat16),
        ("float32", True, torch.float32),
    ],
)
@torch.no_grad()
def test_an_encoder_that_overflows_in_float16_is_upcast_and_says_so_once(vae, dtype, upcast, runs, capsys):
    codec = load(configure(vae, force_upcast=upcast), dtype)
    latents = codec.encode(images())
    decoded = codec.decode(codec.encode(images()))
    assert codec.vae.dtype == runs
    assert latents.dtype == decoded.dtype == torch.float32
    told = capsys.readouterr().out
    assert told.count("runs in float32") == (dtype == "float16" and runs == torch.float32)
    exact = load(vae)
    torch.testing.assert_close(decoded, exact.decode(exact.encode(images())), rtol=0, atol=0.1)


@pytest.mark.parametrize("changes", [{"shift_factor": 0.0609}, {"latents_mean": [0.1] * 4}, {"latents_std": [1.0] * 4}])
def test_latents_that_are_more_than_scaled_are_refused(vae, changes):
    (key,) = changes
    with pytest.raises(RetortError, match=rf"{key} is .*, but latents here are the VAE's times its scaling_factor"):
        load(configure(vae, **changes))


def test_weights_with_holes_are_refused(vae):
    file = vae / "diffusion_pytorch_model.safetensors"
    weights = load_file(file)
    del weights["decoder.conv_in.bias"]
    save_file(weights, file, metadata={"format": "pt"})
    with pytest.raises(RetortError, match=r"lacks 1 weights of a AutoencoderKL, decoder\.conv_in\.bias"):
        load(vae)


@pytest.mark.parametrize("value", [torch.nan, torch.inf])
def test_weights_that_are_not_finite_are_refused_by_name(vae, value):
    file = vae / "diffusion_pytorch_model.safetensors"
    weights = load_file(file)
    weights["decoder.conv_in.bias"][0] = value
    save_file(weights, file, metadata={"format": "pt"})
    with pytest.raises(RetortError, match=r"1 weights of a AutoencoderKL are not finite, decoder\.conv_in\.bias"):
        load(vae)


@torch.no_grad()
def test_attention_under_its_old_names_is_read(vae):
    """As in the encoders of Stable Diffusion 1.x and of DiT."""
    expected = load(vae).encode(images())
    file = vae / "diffusion_pytorch_model.safetensors"
    old = {"to_q": "query", "to_k": "key", "to_v": "value", "to_out.0": "proj_attn"}
    weights = {}
    for key, value in load_file(file).items():
        for new, before in old.items():
            key = key.replace(f".{new}.", f".{before}.") if ".attentions." in key else key
        weights[key] = value
    assert any(".query." in key for key in weights)
    save_file(weights, file, metadata={"format": "pt"})
    assert torch.equal(load(vae).encode(images()), expected)


@pytest.mark.parametrize(("resolution", "sliced"), [(256, False), (512, True)])
def test_large_images_go_through_one_at_a_time(vae, resolution, sliced):
    assert load_codec(CodecFiles(str(vae), "float32", resolution, Running())).vae.use_slicing == sliced


@pytest.mark.parametrize("run", [{"slicing": True}, {"offload": True}, {"device": "cpu"}])
@torch.no_grad()
def test_how_it_is_run_changes_nothing(vae, run):
    codec, plain = load(vae, **run), load(vae)
    assert codec.vae.use_slicing == ("slicing" in run)
    torch.testing.assert_close(codec.encode(images(3)), plain.encode(images(3)), rtol=0, atol=1e-5)
    torch.testing.assert_close(
        codec.decode(torch.ones(3, 4, 8, 8)), plain.decode(torch.ones(3, 4, 8, 8)), rtol=0, atol=1e-5
    )
