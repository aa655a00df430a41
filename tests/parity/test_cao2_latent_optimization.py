"""Latent refinement against CaO2's reference code, with both timestep embeddings of a DiT."""

import numpy as np
import pytest
import torch
from diffusers.models.transformers.dit_transformer_2d import DiTTransformer2DModel
from tests.parity import closeness

from retort.methods.ancestral import respace
from retort.methods.refinement import draw_indices, refine
from retort.models.dit import DiT, set_timestep_embedding

FINAL_WITHIN = {"f32": 2e-5, "f64": 1e-7}
LOSS_WITHIN = 1e-4
FORWARD_WITHIN = 2e-5
TIMESTEPS = 1000


@pytest.fixture(scope="module")
def case(parity):
    return parity("cao2_latent_optimization")


def linear_alphas():
    """The schedule of the original DiT code."""
    return torch.cumprod(1 - torch.linspace(1e-4, 0.02, TIMESTEPS, dtype=torch.float64), 0)


def load(case, embedding, dtype=torch.float32):
    transformer = DiTTransformer2DModel.from_pretrained(
        case.folder / "diffusers_transformer", torch_dtype=dtype, use_safetensors=True, low_cpu_mem_usage=False
    )
    set_timestep_embedding(transformer, embedding)
    return case.placed(DiT(transformer.to(case.device), linear_alphas(), codec=None))


@pytest.fixture(scope="module")
def schedule(case):
    return respace(linear_alphas(), case.facts["params"]["num_sampling_steps"])


def refined(case, schedule, model, dtype=torch.float32, timestep="index", variant=""):
    """All images of the case in one batch; the loop of the reference is one image at a time."""
    latents, noise = case["initial_latents"].to(dtype), case[f"{variant}noise_used"].to(dtype)
    null = model.null(len(latents))
    return refine(
        latents,
        noise,
        lambda x, t: model.eps(x, t, null),
        schedule,
        case[f"{variant}timestep_index"],
        lr=case.facts["params"]["lr"],
        peak_weight=case.facts["params"]["lambda_linf"],
        timestep=timestep,
    )


def assert_close(result, expected, within):
    closeness.assert_close(result.to(expected.dtype), expected, within)


def test_the_respaced_schedule_is_the_reference(case, schedule):
    assert schedule.timesteps == case["timestep_map"].tolist()
    np.testing.assert_allclose(schedule.alphas_cumprod, case["alphas_cumprod_respaced"], rtol=1e-12)
    np.testing.assert_allclose(schedule.betas, case["betas_respaced"], rtol=1e-9)


@pytest.mark.parametrize(("embedding", "stored"), [("original", "shift0"), ("diffusers", "shift1")])
def test_one_prediction_with_each_timestep_embedding(case, embedding, stored):
    model = load(case, embedding)
    out = model.eps(case["forward_x"], case["forward_t"], {"class_labels": case["forward_y"]})
    assert_close(out, case[f"forward_out_diffusers_{stored}"][:, : out.shape[1]], FORWARD_WITHIN)
    if embedding == "original":
        assert_close(out, case["forward_out"][:, : out.shape[1]], FORWARD_WITHIN)


@pytest.mark.parametrize(
    ("embedding", "stored"), [("original", "diffusers_shift0_"), ("diffusers", "diffusers_shift1_")]
)
def test_refinement_with_each_timestep_embedding(case, schedule, embedding, stored):
    final, loss = refined(case, schedule, load(case, embedding))
    assert_close(final, case[f"{stored}final_latents"], FINAL_WITHIN["f32"])
    assert_close(loss, case[f"{stored}loss"], LOSS_WITHIN)


def test_the_original_embedding_gives_the_reference_itself(case, schedule):
    final, loss = refined(case, schedule, load(case, "original"))
    assert_close(final, case["final_latents"], FINAL_WITHIN["f32"])
    assert_close(loss, case["loss"], LOSS_WITHIN)


def test_the_reference_in_double_precision(case, schedule):
    """diffusers also has 1e-5 where the original's second layer norm has 1e-6: seen only in double precision."""
    model = load(case, "original", torch.float64)
    for block in model.transformer.transformer_blocks:
        block.norm3.eps = block.norm1.norm.eps
    final, loss = refined(case, schedule, model, torch.float64)
    assert_close(final, case["final_latents_f64"], FINAL_WITHIN["f64"])
    assert_close(loss, case["loss_f64"], LOSS_WITHIN)


def test_the_mapped_timestep_is_the_other_convention(case, schedule):
    final, loss = refined(case, schedule, load(case, "original"), timestep="mapped")
    assert_close(final, case["NOT_reference_mapped_t_final_latents"], FINAL_WITHIN["f32"])
    assert_close(loss, case["NOT_reference_mapped_t_loss"], LOSS_WITHIN)
    assert (final - case["final_latents"]).abs().max() > 100 * FINAL_WITHIN["f32"]


def test_the_shorter_range_of_imagenet100(case, schedule):
    final, loss = refined(case, schedule, load(case, "original"), variant="in100_")
    assert_close(final, case["in100_final_latents"], FINAL_WITHIN["f32"])
    assert_close(loss, case["in100_loss"], LOSS_WITHIN)


@pytest.mark.parametrize(("variant", "share"), [("", 1 / 4), ("in100_", 1 / 8)])
def test_steps_are_drawn_from_the_range_of_the_reference(case, variant, share):
    used = case[f"{variant}timestep_index"]
    drawn = draw_indices(case.facts["params"]["num_sampling_steps"], share, 2000, np.random.default_rng(0))
    assert set(drawn.tolist()) >= set(used.unique().tolist())
    assert drawn.min() == 1
    assert drawn.max() == used.max()
