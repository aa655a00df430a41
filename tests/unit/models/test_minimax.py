"""Minimax's fine-tuning: its losses by hand, what is trained, and going on after an interruption with its memories."""

from copy import deepcopy

import numpy as np
import pytest
import torch
from diffusers import DDIMScheduler
from diffusers.models.transformers.dit_transformer_2d import DiTTransformer2DModel

from retort.models.difffit import DiffFit
from retort.models.dit_training import Recipe, draw, learn, loss_of, warmup_constant
from retort.models.minimax import Memories, Minimax, Weights, clean_latents, memory_losses
from retort.models.training_state import Checkpoint

SHAPE, CLASSES, WORDS = (4, 4, 4), 3, (0, "dit", "tuned")
ALPHAS = DDIMScheduler().alphas_cumprod
RECIPE = {"steps": 14, "batch": 8, "lr": 3e-3, "warmup": 0, "ema": 0.5, "drop_label": 0.2, "schedule": "constant"}
LOSSES = {"represent": 0.5, "diverse": 0.5, "sparse": 0.1, "memory": 5}


def tiny(channels: int = 4, layers: int = 2) -> DiTTransformer2DModel:
    torch.manual_seed(0)
    transformer = DiTTransformer2DModel(
        num_layers=layers,
        num_attention_heads=2,
        attention_head_dim=8,
        in_channels=4,
        out_channels=channels,
        sample_size=4,
        num_embeds_ada_norm=CLASSES,
    )
    for parameter in transformer.parameters():
        if parameter.dim() > 1:
            torch.nn.init.normal_(parameter, std=0.2)
    for block in transformer.transformer_blocks:  # one embedder, as the original DiT has
        block.norm1.emb.load_state_dict(transformer.transformer_blocks[0].norm1.emb.state_dict())
    return transformer.eval()


def examples() -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    return rng.standard_normal((40, *SHAPE)).astype(np.float32), np.arange(40) % CLASSES


def train(checkpoint: Checkpoint | None = None, stop: int | None = None, **changes) -> DiTTransformer2DModel:
    """A tiny DiT trained further; interrupted at the beginning of step `stop`."""
    latents, labels = examples()
    asked = iter(range(10**6))

    def read(rows: np.ndarray) -> np.ndarray:
        if next(asked) == stop:
            raise KeyboardInterrupt
        return latents[rows]

    recipe = Recipe(**RECIPE | changes)
    return learn(tiny(), ALPHAS, read, labels, WORDS, checkpoint, recipe)


def state(module: torch.nn.Module) -> dict[str, torch.Tensor]:
    return {name: tensor.detach().clone() for name, tensor in module.state_dict().items()}


def equal(one: dict, other: dict) -> bool:
    return one.keys() == other.keys() and all(torch.equal(one[name], other[name]) for name in one)


# ---------------------------------------------------------------- the losses


def test_a_class_is_compared_by_its_least_like_and_its_likest_pair():
    memories = Memories(10)
    along = torch.eye(4).view(4, 4, 1, 1)
    labels = torch.tensor([0, 0, 1])
    memories.add(along[[0, 1, 2]], along[[3, 3, 3]], labels)
    predicted = torch.tensor([[1.0, 0, 0, 0], [0.6, 0, 0.8, 0], [0, 0, 3.0, 4.0], [5.0, 0, 0, 0]]).view(4, 4, 1, 1)
    # Class 0: cosines to real ones 1, 0, 0.6 and 0, to the predicted one 0; class 1: 0.6, and 0.8; class 2: no memory.
    far, alike = memory_losses(predicted, torch.tensor([0, 0, 1, 2]), memories)
    assert far.item() == pytest.approx(((1 - 0) + (1 - 0.6) + 0) / 3)
    assert alike.item() == pytest.approx((0 + 0.8 + 0) / 3)


def test_the_first_batch_has_no_loss_and_none_is_compared_with_itself():
    minimax = Minimax.of(Weights(1.0, 1.0, 0.0, 4))
    rows, labels = torch.randn(3, *SHAPE, generator=torch.Generator().manual_seed(0)), torch.tensor([0, 0, 1])
    assert minimax.penalty(rows, rows, labels).item() == 0
    assert minimax.penalty(rows, rows, labels).item() > 0


def test_memories_keep_the_newest_of_each_class_and_no_gradients():
    memories = Memories(3)
    for start in (0, 4):
        rows = torch.arange(start, start + 4.0).view(4, 1, 1, 1).requires_grad_(True)
        memories.add(rows, 10 * rows, torch.tensor([0, 0, 1, 0]))
    assert memories.real[0].flatten().tolist() == [4, 5, 7]
    assert memories.predicted[0].flatten().tolist() == [40, 50, 70]
    assert memories.real[1].flatten().tolist() == [2, 6]
    assert not memories.real[0].requires_grad


def test_sparseness_is_the_mean_absolute_value():
    minimax = Minimax.of(Weights(0.0, 0.0, 0.5, 4))
    predicted = torch.tensor([-3.0, 1.0]).view(2, 1, 1, 1)
    assert minimax.penalty(predicted, predicted, torch.tensor([0, 1])).item() == pytest.approx(1.0)


def test_clean_latents_are_what_noise_was_added_to():
    generator = torch.Generator().manual_seed(0)
    clean, noise = (torch.randn(5, *SHAPE, generator=generator) for _ in range(2))
    alphas = ALPHAS[[0, 100, 500, 900, 999]]
    noisy = alphas.view(-1, 1, 1, 1).sqrt() * clean + (1 - alphas).view(-1, 1, 1, 1).sqrt() * noise
    torch.testing.assert_close(clean_latents(noisy, noise, alphas), clean, rtol=1e-3, atol=1e-4)


def test_classes_of_memories_are_those_before_labels_are_dropped():
    latents, labels = examples()
    recipe = Recipe(**RECIPE | {"drop_label": 1.0})
    batch = draw(lambda rows: latents[rows], labels, CLASSES, ALPHAS, WORDS, 0, recipe)
    assert set(batch.classes.tolist()) == {CLASSES}
    minimax = Minimax.of(Weights(**LOSSES))
    loss_of(tiny(), batch, None, "float32", minimax, ALPHAS)
    assert set(minimax.memories.real) == set(batch.labels.tolist()) <= {0, 1, 2}


@pytest.mark.parametrize("trainable", ["all", "difffit"])
def test_each_loss_changes_the_training_and_weights_of_zero_change_nothing(trainable):
    plain = state(train(trainable=trainable))
    zero = {"represent": 0.0, "diverse": 0.0, "sparse": 0.0, "memory": 5}
    assert all(
        torch.allclose(tensor, plain[name], atol=1e-6)
        for name, tensor in state(train(trainable=trainable, losses=zero)).items()
    )
    for key in ("represent", "diverse", "sparse"):
        assert not equal(state(train(trainable=trainable, losses=zero | {key: 0.5})), plain), key


def test_predictions_become_more_like_real_latents_where_that_is_rewarded():
    latents, labels = examples()

    def likeness(transformer: DiTTransformer2DModel) -> float:
        recipe = Recipe(**RECIPE | {"batch": 40, "drop_label": 0.0})
        batch = draw(lambda rows: latents[rows], labels, CLASSES, ALPHAS, ("test",), 0, recipe)
        memories = Memories(64)
        memories.add(torch.from_numpy(latents), torch.from_numpy(latents), torch.from_numpy(labels))
        with torch.no_grad():
            eps = transformer(batch.noisy, timestep=batch.times, class_labels=batch.classes).sample
        return memory_losses(clean_latents(batch.noisy, eps, ALPHAS[batch.times]), batch.labels, memories)[0].item()

    rewarded = {"represent": 5.0, "diverse": 0.0, "sparse": 0.0, "memory": 64}
    assert likeness(train(steps=60, losses=rewarded)) < likeness(train(steps=60)) - 0.01


# ---------------------------------------------------------------- what is trained


def test_with_difffit_only_biases_classes_and_scaled_layers_move_and_embedders_stay_one():
    before, after = state(tiny()), state(train(trainable="difffit"))
    moved = {name for name in before if not torch.allclose(before[name], after[name], atol=1e-7)}
    scaled = (
        "to_q.weight",
        "to_k.weight",
        "to_v.weight",
        "to_out.0.weight",
        "ff.net.2.weight",
        "embedding_table.weight",
    )
    assert all(name.endswith((".bias", *scaled)) for name in moved)
    assert any(name.endswith("to_q.weight") for name in moved)
    for name, tensor in after.items():
        if ".norm1.emb." in name:
            assert torch.equal(tensor, after[f"transformer_blocks.0.norm1.emb.{name.partition('.norm1.emb.')[2]}"])


def test_a_weight_is_scaled_row_by_row_and_not_otherwise_changed():
    before, after = state(tiny()), state(train(trainable="difffit"))
    name = "transformer_blocks.1.ff.net.2.weight"
    ratio = after[name] / before[name]
    torch.testing.assert_close(ratio, ratio[:, :1].expand_as(ratio), rtol=1e-4, atol=1e-5)
    assert (ratio[:, 0] - 1).abs().max() > 1e-3


def test_only_the_first_fourteen_blocks_have_scales():
    names = [name for name, _ in DiffFit(tiny(layers=16)).named_parameters()]
    assert sum(name.endswith("/forward") for name in names) == 14
    assert "scales/13/forward" in names
    assert sum(name.endswith("ff/net/2/bias") for name in names) == 16


def test_a_fresh_difffit_predicts_what_its_transformer_does_and_copies_share_it():
    transformer, given = tiny(8), torch.randn(3, *SHAPE, generator=torch.Generator().manual_seed(1))
    network = DiffFit(transformer)
    asked = {"timestep": torch.tensor([0, 500, 999]), "class_labels": torch.tensor([0, 3, 1])}
    with torch.no_grad():
        torch.testing.assert_close(network(given, **asked).sample, transformer(given, **asked).sample)
    assert deepcopy(network)._frozen is network._frozen
    assert sum(p.numel() for p in network.parameters()) < sum(p.numel() for p in transformer.parameters()) / 4


# ---------------------------------------------------------------- a training


@pytest.mark.parametrize("stop", [1, 6, 13])
@pytest.mark.parametrize("trainable", ["all", "difffit"])
def test_a_training_that_was_interrupted_ends_bit_identical_with_its_memories(tmp_path, trainable, stop):
    settings = {"trainable": trainable, "losses": LOSSES}
    undisturbed = state(train(**settings))
    checkpoint = Checkpoint(tmp_path / "state.safetensors", "this", seconds=0)
    with pytest.raises(KeyboardInterrupt):
        train(checkpoint, stop, **settings)
    assert equal(state(train(checkpoint, **settings)), undisturbed)


def test_without_its_memories_it_would_end_otherwise(tmp_path, monkeypatch):
    """What the test above would not notice if memories did not matter."""
    settings = {"losses": LOSSES}
    undisturbed = state(train(**settings))
    checkpoint = Checkpoint(tmp_path / "state.safetensors", "this", seconds=0)
    with pytest.raises(KeyboardInterrupt):
        train(checkpoint, 6, **settings)
    monkeypatch.setattr(Memories, "load", lambda self, tensors, device: None)
    assert not equal(state(train(checkpoint, **settings)), undisturbed)


def test_a_checkpoint_of_memories_is_as_small_as_what_is_trained_and_remembered(tmp_path):
    checkpoint = Checkpoint(tmp_path / "state.safetensors", "this", seconds=0)
    train(checkpoint, trainable="difffit", losses=LOSSES)
    from safetensors import safe_open

    with safe_open(tmp_path / "state.safetensors", "pt") as file:
        names = set(file.keys())
    assert {f"memory/{kind}/{label}" for kind in ("real", "predicted") for label in range(CLASSES)} <= names
    assert not any(
        name.startswith("module/transformer_blocks") and name.endswith("attn1/to_q/weight") for name in names
    )


def test_a_batch_is_compared_as_a_whole_whatever_the_micro_batch():
    settings = {"losses": LOSSES}
    assert equal(state(train(micro_batch=2, **settings)), state(train(**settings)))
    assert equal(state(train(trainable="difffit", recompute=True)), state(train(trainable="difffit")))


def test_a_constant_rate_rises_over_the_warm_up_and_stays():
    factor = warmup_constant(0.25)
    assert [factor(progress) for progress in (0.25, 0.5, 0.99)] == [1.0, 1.0, 1.0]
    assert factor(0.0) < 0.01 < factor(0.1) < factor(0.2) < 1
    assert warmup_constant(0.0)(0.0) == 1.0
