"""Checkpoints of the original DiT code, against those that CaO2's reference code and diffusers' form of them hold."""

import argparse
from pathlib import Path

import numpy as np
import pytest
import torch
from diffusers import DDIMScheduler
from diffusers.models.transformers.dit_transformer_2d import DiTTransformer2DModel
from safetensors.torch import load_file

from retort.base.errors import RetortError
from retort.models.dit import DiT, set_timestep_embedding
from retort.models.original_dit import convert_original_dit, original_pipeline, read_original_dit

HEADS = 2


@pytest.fixture(scope="module")
def case(parity):
    return parity("cao2_latent_optimization")


@pytest.fixture
def state(case):
    return load_file(case.folder / "reference_dit.safetensors")


def saved(content, folder: Path) -> Path:
    torch.save(content, folder / "DiT.pt")
    return folder / "DiT.pt"


def test_converted_weights_are_those_that_diffusers_has(case, state):
    expected = DiTTransformer2DModel.from_pretrained(case.folder / "diffusers_transformer", use_safetensors=True)
    converted = convert_original_dit(state, HEADS)
    theirs, ours = expected.state_dict(), converted.state_dict()
    assert ours.keys() == theirs.keys()
    assert all(torch.equal(ours[key], theirs[key]) for key in theirs)
    read = ("num_layers", "num_attention_heads", "attention_head_dim", "patch_size", "in_channels", "out_channels")
    for key in (*read, "sample_size", "num_embeds_ada_norm"):
        assert converted.config[key] == expected.config[key], key


@torch.no_grad()
def test_a_converted_checkpoint_predicts_what_the_original_network_does(case, state):
    converted = convert_original_dit(state, HEADS)
    set_timestep_embedding(converted, "original")
    out = converted(case["forward_x"], timestep=case["forward_t"], class_labels=case["forward_y"]).sample
    torch.testing.assert_close(out, case["forward_out"], rtol=0, atol=2e-6)


@torch.no_grad()
def test_a_written_pipeline_loads_with_the_schedule_of_the_original(case, state, tmp_path):
    original_pipeline(saved(state, tmp_path), tmp_path / "model", HEADS)
    model = DiT.load(tmp_path / "model", None, torch.float32, torch.device("cpu"), "original")
    betas = torch.linspace(1e-4, 0.02, 1000, dtype=torch.float64)
    torch.testing.assert_close(model.alphas_cumprod, torch.cumprod(1 - betas, 0), rtol=1e-4, atol=0)
    assert not DDIMScheduler.from_pretrained(tmp_path / "model" / "scheduler").config.clip_sample
    out, _ = model.eps_and_variance(case["forward_x"], case["forward_t"], {"class_labels": case["forward_y"]})
    torch.testing.assert_close(out, case["forward_out"][:, :4], rtol=0, atol=2e-6)
    assert sorted(f.name for f in (tmp_path / "model").iterdir()) == ["model_index.json", "scheduler", "transformer"]


def test_of_a_training_checkpoint_the_averaged_weights_are_taken(state, tmp_path):
    raw = {key: value + 1 for key, value in state.items()}
    checkpoint = {"model": raw, "ema": state, "opt": {"state": {}}, "args": argparse.Namespace(model="DiT-XL/2")}
    network = read_original_dit(saved(checkpoint, tmp_path), HEADS)
    assert torch.equal(network.pos_embed.proj.bias, state["x_embedder.proj.bias"])


def test_weights_of_parallel_training_lose_their_prefix(state, tmp_path):
    network = read_original_dit(saved({f"module.{key}": value for key, value in state.items()}, tmp_path), HEADS)
    assert torch.equal(network.pos_embed.proj.bias, state["x_embedder.proj.bias"])


class Harm:
    def __reduce__(self):
        return (print, ("code was run",))


def test_code_in_a_checkpoint_is_not_run(state, tmp_path, capsys):
    with pytest.raises(RetortError, match=r"DiT\.pt is no file of tensors alone.*and code in it is not run"):
        read_original_dit(saved(state | {"harm": Harm()}, tmp_path), HEADS)
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize("content", [[1, 2], {}, {"epoch": 3}, {"model": {"x_embedder.proj.weight": 1}}])
def test_a_file_of_something_else_is_refused(content, tmp_path):
    with pytest.raises(RetortError, match=r"DiT\.pt is no state_dict"):
        read_original_dit(saved(content, tmp_path), HEADS)


def test_a_broken_file_is_refused(tmp_path):
    (tmp_path / "DiT.pt").write_bytes(b"not a checkpoint")
    with pytest.raises(RetortError, match="no file of tensors alone"):
        read_original_dit(tmp_path / "DiT.pt")


@pytest.mark.parametrize(
    "key", ["x_embedder.proj.weight", "pos_embed", "blocks.1.attn.qkv.bias", "final_layer.linear.bias"]
)
def test_every_missing_weight_is_named(state, key, tmp_path):
    del state[key]
    with pytest.raises(RetortError, match=rf"DiT\.pt: no whole DiT of the original code: it lacks '{key}'"):
        read_original_dit(saved(state, tmp_path), HEADS)


def test_weights_that_no_dit_has_are_named(state):
    with pytest.raises(RetortError, match=r"it also holds blocks\.0\.cross_attn\.weight"):
        convert_original_dit(state | {"blocks.0.cross_attn.weight": torch.ones(1)}, HEADS)


def test_weights_of_another_shape_are_refused(state):
    state["blocks.1.mlp.fc1.bias"] = torch.zeros(7)
    with pytest.raises(RetortError, match=r"(?s)no DiT of the original code: .*blocks\.1\.ff\.net\.0\.proj\.bias"):
        convert_original_dit(state, HEADS)


@pytest.mark.parametrize(("heads", "told"), [(None, "not known for a width of 32"), (5, "5 heads do not divide")])
def test_heads_are_asked_for_where_the_width_does_not_tell_them(state, heads, told):
    with pytest.raises(RetortError, match=rf"{told}.*; give the model's key heads"):
        convert_original_dit(state, heads)


def test_a_scale_that_is_not_one_is_refused(state):
    convert_original_dit(dict(state), HEADS)
    state["blocks.0.gamma1"] = 1.5 * torch.ones(32)
    with pytest.raises(RetortError, match=r"blocks\.0\.gamma1 scales a layer"):
        convert_original_dit(state, HEADS)


def test_positions_that_were_learned_are_refused(state):
    state["pos_embed"] = state["pos_embed"] + 0.01
    with pytest.raises(RetortError, match="embedding of positions is not the fixed one"):
        convert_original_dit(state, HEADS)


@pytest.mark.parametrize(("width", "heads"), [(384, 6), (768, 12)])
def test_published_widths_tell_their_heads(width, heads):
    """A network of diffusers, renamed by hand, of one block."""
    built = DiTTransformer2DModel(
        num_layers=1,
        num_attention_heads=heads,
        attention_head_dim=width // heads,
        in_channels=4,
        out_channels=8,
        sample_size=4,
        patch_size=4,
        num_embeds_ada_norm=3,
    )
    weights = built.state_dict()
    block = "transformer_blocks.0"
    names = {
        "x_embedder.proj": "pos_embed.proj",
        "t_embedder.mlp.0": f"{block}.norm1.emb.timestep_embedder.linear_1",
        "t_embedder.mlp.2": f"{block}.norm1.emb.timestep_embedder.linear_2",
        "blocks.0.attn.proj": f"{block}.attn1.to_out.0",
        "blocks.0.mlp.fc1": f"{block}.ff.net.0.proj",
        "blocks.0.mlp.fc2": f"{block}.ff.net.2",
        "blocks.0.adaLN_modulation.1": f"{block}.norm1.linear",
        "final_layer.adaLN_modulation.1": "proj_out_1",
        "final_layer.linear": "proj_out_2",
    }
    parts = ("weight", "bias")
    state = {f"{old}.{part}": weights[f"{new}.{part}"] for old, new in names.items() for part in parts}
    for part in parts:
        state[f"blocks.0.attn.qkv.{part}"] = torch.cat([weights[f"{block}.attn1.to_{x}.{part}"] for x in "qkv"])
    state["y_embedder.embedding_table.weight"] = weights[f"{block}.norm1.emb.class_embedder.embedding_table.weight"]
    converted = convert_original_dit(state | {"pos_embed": built.pos_embed.pos_embed})
    assert converted.config.num_attention_heads == heads
    assert converted.config.sample_size == converted.config.patch_size == 4
    assert all(torch.equal(value, weights[key]) for key, value in converted.state_dict().items())


@pytest.mark.parametrize(
    "wrapped",
    [
        lambda s: {"model": s},
        lambda s: {f"_orig_mod.{name}": value for name, value in s.items()},
        lambda s: {"state_dict": {f"net.{name}": value for name, value in s.items()}, "acc": np.float64(0.5)},
    ],
    ids=["model", "compiled", "a prefix"],
)
def test_what_training_loops_wrap_around_is_taken_off_as_for_teachers(state, tmp_path, wrapped):
    found, plain = read_original_dit(saved(wrapped(state), tmp_path), HEADS), convert_original_dit(state, HEADS)
    assert all(torch.equal(value, found.state_dict()[name]) for name, value in plain.state_dict().items())
