"""Minimax's losses, memories, trained parameters and whole iterations against its reference code."""

import numpy as np
import pytest
import torch
from diffusers import DDPMScheduler
from diffusers.models.transformers.dit_transformer_2d import DiTTransformer2DModel
from torch import Tensor

from retort.models.difffit import DiffFit
from retort.models.dit import set_timestep_embedding
from retort.models.dit_training import Batch, loss_of
from retort.models.minimax import HALF_BIN, Memories, Minimax, Weights, clean_latents, memory_losses
from retort.models.variance_bound import VarianceBound

ALPHAS = DDPMScheduler().alphas_cumprod  # linear, 1,000 steps: the original DiT's, in float32
EXACT = (1 - torch.linspace(1e-4, 0.02, 1000, dtype=torch.float64)).cumprod(0)


@pytest.fixture(scope="module")
def case(parity):
    return parity("minimax_losses")


def load(case) -> DiTTransformer2DModel:
    transformer = DiTTransformer2DModel.from_pretrained(case.folder / "diffusers_transformer")
    set_timestep_embedding(transformer, "original")
    return transformer.eval()


def relative(found: Tensor, expected: Tensor, within: float) -> None:
    """No farther than a share of the largest."""
    np.testing.assert_allclose(found.detach(), expected, rtol=0, atol=within * max(expected.abs().max().item(), 1e-12))


# ---------------------------------------------------------------- losses alone


def test_the_same_losses_gradients_and_memories_batch_by_batch(case):
    assert case.facts["losses"]
    for facts in case.facts["losses"]:
        tag, memories = facts["tag"], Memories(facts["memory_size"])
        weights = facts["lambda_representative"], facts["lambda_diverse"]
        for of_batch in facts["batches"]:
            name = f"{tag}_b{of_batch['batch']}"
            labels = case[f"{name}_class"]
            assert labels.tolist() == of_batch["classes"]
            predicted = case[f"{name}_predicted"].clone().requires_grad_(True)
            parts = [w * loss for w, loss in zip(weights, memory_losses(predicted, labels, memories), strict=True)]
            assert parts[0].item() == pytest.approx(of_batch["weighted_representative"], abs=1e-6)
            assert parts[1].item() == pytest.approx(of_batch["weighted_diverse"], abs=1e-6)
            for which, loss in (("pos", parts[0]), ("neg", parts[1]), ("both", sum(parts))):
                expected = case[f"{name}_grad_{which}"]
                if loss.requires_grad:
                    [found] = torch.autograd.grad(loss, predicted, retain_graph=True, allow_unused=True)
                    relative(found, expected, 1e-6) if expected.any() else np.testing.assert_array_equal(found, 0)
                else:
                    assert not expected.any()
            memories.add(case[f"{name}_latents"], predicted, labels)
            for label, (real, pseudo) in of_batch["memory_sizes_after"].items():
                held = memories.real[int(label)], memories.predicted[int(label)]
                assert tuple(map(len, held)) == (real, pseudo)
                for kind, latents in zip(("real", "pseudo"), held, strict=True):
                    key = f"{name}_{kind}_memory_after_c{label}"
                    if key in case.tensors:
                        torch.testing.assert_close(latents, case[key], rtol=0, atol=0)


# ---------------------------------------------------------------- the base loss


def noised(latents: Tensor, noise: Tensor, times: Tensor) -> Tensor:
    alpha = EXACT[times].view(-1, 1, 1, 1)
    return (alpha.sqrt() * latents + (1 - alpha).sqrt() * noise).float()


def test_the_same_terms_at_given_timesteps(case):
    latents, noise, times = (case[f"terms_{name}"] for name in ("latents", "noise", "t"))
    noisy = noised(latents, noise, times)
    with torch.no_grad():
        eps, place = load(case)(noisy, timestep=times, class_labels=case["terms_y"]).sample.chunk(2, dim=1)
    relative((eps - noise).square().mean(dim=(1, 2, 3)), case["terms_mse"], 1e-5)
    relative(clean_latents(noisy, eps, ALPHAS[times]), case["terms_output"], 1e-4)
    for alphas, within in ((EXACT, 1e-5), (ALPHAS, 2e-4)):  # a beta of 1e-4 has few digits in float32's 1 - beta
        relative(VarianceBound(alphas, HALF_BIN)(latents, noisy, eps, place, times), case["terms_vb"], within)


# ---------------------------------------------------------------- whole iterations


def of_reference(network: DiffFit, gradients: bool = False) -> dict[str, Tensor]:
    """The trained parameters, or their gradients, under the reference's names."""
    own = {k.replace("/", "."): (v.grad if gradients else v.detach()) for k, v in network.named_parameters()}
    embedder = "transformer_blocks.0.norm1.emb"
    found = {
        "x_embedder.proj.bias": own["pos_embed.proj.bias"],
        "t_embedder.mlp.0.bias": own[f"{embedder}.timestep_embedder.linear_1.bias"],
        "t_embedder.mlp.2.bias": own[f"{embedder}.timestep_embedder.linear_2.bias"],
        "y_embedder.embedding_table.weight": own[f"{embedder}.class_embedder.embedding_table.weight"],
        "final_layer.linear.bias": own["proj_out_2.bias"],
        "final_layer.adaLN_modulation.1.bias": own["proj_out_1.bias"],
    }
    for block in sorted({int(name.split(".")[1]) for name in own if name.startswith("transformer_blocks.")}):
        at, here = f"transformer_blocks.{block}", f"blocks.{block}"
        found[f"{here}.attn.qkv.bias"] = torch.cat([own[f"{at}.attn1.to_{part}.bias"] for part in "qkv"])
        found[f"{here}.attn.proj.bias"] = own[f"{at}.attn1.to_out.0.bias"]
        found[f"{here}.mlp.fc1.bias"] = own[f"{at}.ff.net.0.proj.bias"]
        found[f"{here}.mlp.fc2.bias"] = own[f"{at}.ff.net.2.bias"]
        found[f"{here}.adaLN_modulation.1.bias"] = own[f"{at}.norm1.linear.bias"]
        if f"scales.{block}.output" in own:
            scales = {"attn.gamma1": "attention", "attn.gamma2": "output", "gamma1": "branch", "gamma2": "forward"}
            found |= {f"{here}.{theirs}": own[f"scales.{block}.{ours}"] for theirs, ours in scales.items()}
    return found


def without_keys(name: str, values: Tensor) -> Tensor:
    """Softmax does not see the bias of the keys: its gradient is rounding noise, which AdamW divides by itself."""
    if not name.endswith("qkv.bias"):
        return values
    width = len(values) // 3
    return torch.cat([values[:width], values[2 * width :]])


def test_what_is_trained_is_what_the_reference_trains(case):
    found, names = of_reference(DiffFit(load(case))), case.facts["names"]
    assert sorted(found) == sorted(names["trainable"])
    assert sum(values.numel() for values in found.values()) == names["tiny_count"]


def test_of_dit_xl_as_many_parameters_are_trained(case):
    names = case.facts["names"]
    with torch.device("meta"):
        network = DiTTransformer2DModel(
            num_layers=28,
            num_attention_heads=16,
            attention_head_dim=72,
            in_channels=4,
            out_channels=8,
            sample_size=32,
            num_embeds_ada_norm=1000,
        )
        found = of_reference(DiffFit(network))
    assert len(found) == names["xl_tensors"]
    assert sum(values.numel() for values in found.values()) == names["xl_count"]
    assert sum(name.endswith(".gamma1") and ".attn" not in name for name in found) == names["xl_blocks_with_gamma"]


def test_the_same_training(case):
    arguments, classes = case.facts["args"], case.facts["network"]["num_classes"]
    weights = Weights(arguments["lambda_pos"], arguments["lambda_neg"], 0.0, arguments["memory_size"])
    network, minimax, bound = DiffFit(load(case)), Minimax.of(weights), VarianceBound(EXACT, HALF_BIN)
    optimizer = torch.optim.AdamW(network.parameters(), lr=1e-3, weight_decay=0.0)
    before = outputs(network, case)
    relative(before, case["before_out"], 5e-5)
    for facts in case.facts["train"]:
        name = f"train_s{facts['step']}"
        latents, noise, times, labels, dropped, known = (
            case[f"{name}_{key}"] for key in ("latents", "noise", "t", "label", "dropped", "memory_class")
        )
        given = torch.where(dropped.bool(), torch.full_like(labels, classes), labels)
        batch = Batch(latents, noise, noised(latents, noise, times), times, given, known)
        optimizer.zero_grad()
        loss = loss_of(network, batch, bound, "float32", minimax, ALPHAS)
        assert loss.item() == pytest.approx(facts["all_loss"], abs=5e-6)
        loss.backward()
        gradients = of_reference(network, gradients=True)
        for key in case.tensors:
            if key.startswith(f"{name}_grad."):
                parameter = key.removeprefix(f"{name}_grad.")
                expected = without_keys(parameter, case[key])
                within = max(1e-3 * expected.abs().max().item(), 1e-4)
                found = without_keys(parameter, gradients[parameter])
                np.testing.assert_allclose(found, expected, rtol=0, atol=within, err_msg=key)
        optimizer.step()
        now = of_reference(network)
        for key in case.tensors:
            if key.startswith(f"{name}_param."):
                parameter = key.removeprefix(f"{name}_param.")
                found, expected = (without_keys(parameter, values) for values in (now[parameter], case[key]))
                np.testing.assert_allclose(found, expected, rtol=0, atol=1e-4, err_msg=key)
    for match in case.find(r"train_final_(real|pseudo)_memory_c(\d+)"):
        held = minimax.memories.real if match[1] == "real" else minimax.memories.predicted
        relative(held[int(match[2])], case[match[0]], 1e-4)
    after = outputs(network, case)
    relative(after, case["after_out"], 5e-5)
    assert (after - before).abs().max() > 1e-3
    folded = network.folded()
    with torch.no_grad():
        found = folded(case["after_x"], timestep=case["after_t"], class_labels=case["after_y"]).sample
    torch.testing.assert_close(found, after, rtol=0, atol=1e-5)


def outputs(network: DiffFit, case) -> Tensor:
    with torch.no_grad():
        return network(case["after_x"], timestep=case["after_t"], class_labels=case["after_y"]).sample
