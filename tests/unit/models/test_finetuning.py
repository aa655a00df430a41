"""A DiT that goes on from a checkpoint: its classes, its variance, its memory, and going on after an interruption."""

from pathlib import Path

import numpy as np
import pytest
import torch
from diffusers import DDIMScheduler, DDPMScheduler
from diffusers.models.transformers.dit_transformer_2d import DiTTransformer2DModel
from tests.helpers.tiny_models import save_models

from retort.base.errors import RetortError
from retort.base.files import read_json, write_json
from retort.base.tensors import write_tensors
from retort.data.imagenet import subset_classes
from retort.methods.ancestral import sample
from retort.models.dit_training import Recipe, draw, learn, loss_of, trained_dit
from retort.models.finetune_dit import finetune_dit, replace_classes
from retort.models.load import CodecFiles, ModelFiles, load_diffusion
from retort.models.training_state import Checkpoint
from retort.models.variance_bound import VarianceBound
from retort.stages.models.train_dit import Start, train_dit

SHAPE, OLD, NEW = (4, 4, 4), ["ant", "bee", "cat", "dog", "elk"], ["cat", "fly", "ant"]
RECIPE = {"steps": 60, "batch": 16, "lr": 3e-3, "warmup": 5, "ema": 0.5, "drop_label": 0.2}
WORDS = (0, "dit", "tuned")


def examples(names: list[str], n: int = 60, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Latents around one pattern per name, whatever list it is in, and labels into `names`."""
    patterns = np.stack([np.random.default_rng([*name.encode()]).standard_normal(SHAPE) for name in names])
    labels = np.arange(n) % len(names)
    noise = np.random.default_rng(seed).standard_normal((n, *SHAPE))
    return (patterns[labels] + 0.2 * noise).astype(np.float32), labels


@pytest.fixture(scope="module")
def checkpoints(tmp_path_factory) -> Path:
    """plain/ and learned/: pipelines of OLD's classes, of which the second learned its variance; float32, tiny."""
    folder = tmp_path_factory.mktemp("checkpoints")
    latents, labels = examples(OLD)
    sizes = {"layers": 2, "heads": 2, "head_dim": 16, "patch": 2}
    plain = trained_dit(lambda rows: latents[rows], labels, SHAPE, (0, "old"), **sizes, **RECIPE | {"lr": 1e-2})
    wide = DiTTransformer2DModel.from_config(dict(plain.config) | {"out_channels": 2 * SHAPE[0]})
    state = plain.state_dict()
    for name in ("proj_out_2.weight", "proj_out_2.bias"):  # patches first, then channels: the new ones come last
        old = state[name].view(4, SHAPE[0], -1)
        state[name] = torch.cat([old, torch.zeros_like(old)], dim=1).flatten(0, 1).squeeze(-1)
    wide.load_state_dict(state)
    for name, transformer in (("plain", plain), ("learned", wide)):
        transformer.save_pretrained(folder / name / "transformer")
        DDIMScheduler(beta_schedule="scaled_linear").save_pretrained(folder / name / "scheduler")
    return folder


def tune(directory: Path, checkpoint: Checkpoint | None = None, stop: int | None = None, **changes):
    """Fine-tuned on NEW, of which ant and cat are known; interrupted at the beginning of step `stop`."""
    latents, labels = examples(NEW)
    asked = iter(range(10**6))

    def read(rows: np.ndarray) -> np.ndarray:
        if next(asked) == stop:
            raise KeyboardInterrupt
        return latents[rows]

    known = {c: OLD.index(c) for c in NEW if c in OLD}
    return finetune_dit(directory, known, read, labels, SHAPE, NEW, WORDS, checkpoint, **RECIPE | changes)


def state(module: torch.nn.Module) -> torch.Tensor:
    return torch.cat([p.detach().flatten() for p in module.parameters()])


def losses(transformer: DiTTransformer2DModel, with_bound: bool = False) -> float:
    """The loss on unseen latents of NEW, at the same noise and times every time."""
    latents, labels = examples(NEW, 300, seed=1)
    abar = DDIMScheduler(beta_schedule="scaled_linear").alphas_cumprod
    recipe = Recipe(**RECIPE | {"batch": 300, "drop_label": 0.0})
    batch = draw(lambda rows: latents[rows], labels, len(NEW), abar, (5,), 0, recipe)
    with torch.no_grad():
        error = loss_of(transformer, batch, None, "float32").item()
        return loss_of(transformer, batch, VarianceBound(abar), "float32").item() - error if with_bound else error


@pytest.mark.parametrize("name", ["plain", "learned"])
def test_fine_tuning_lowers_the_error_from_where_the_checkpoint_left_it(checkpoints, name):
    start, end = (losses(tune(checkpoints / name, steps=n, lr=lr)) for n, lr in ((1, 1e-9), (60, 3e-3)))
    assert start < 0.9  # one that predicts nothing has 1
    assert end < start - 0.05


def test_it_starts_from_the_weights_of_the_checkpoint(checkpoints):
    old = DiTTransformer2DModel.from_pretrained(checkpoints / "plain" / "transformer")
    new = tune(checkpoints / "plain", steps=1, lr=1e-9)
    for name, weight in old.state_dict().items():
        if "embedding_table" not in name:
            torch.testing.assert_close(new.state_dict()[name], weight, rtol=0, atol=1e-7)


def test_known_classes_keep_their_rows_by_id_others_start_from_the_mean_and_null_stays(checkpoints):
    old, new = (DiTTransformer2DModel.from_pretrained(checkpoints / "plain" / "transformer") for _ in range(2))
    replace_classes(new, NEW, {"ant": 0, "cat": 2})
    assert new.config.num_embeds_ada_norm == 3
    for before, after in zip(old.transformer_blocks, new.transformer_blocks, strict=True):
        rows, tuned = (b.norm1.emb.class_embedder.embedding_table.weight for b in (before, after))
        expected = torch.stack([rows[2], rows[:5].mean(0), rows[0], rows[5]])
        torch.testing.assert_close(tuned, expected, rtol=0, atol=0)
        assert tuned.requires_grad


def test_every_row_of_the_new_classes_is_trained_on_its_own(checkpoints):
    first, last = (tune(checkpoints / "plain", steps=n, ema=0.0) for n in (1, 30))
    for before, after in zip(first.transformer_blocks, last.transformer_blocks, strict=True):
        rows = after.norm1.emb.class_embedder.embedding_table.weight
        assert (rows - before.norm1.emb.class_embedder.embedding_table.weight).norm(dim=1).min() > 1e-3


def test_a_fine_tuning_that_was_interrupted_ends_bit_identical_to_an_undisturbed_one(checkpoints, tmp_path):
    undisturbed = state(tune(checkpoints / "learned", steps=40))
    left = Checkpoint(tmp_path / "state.safetensors", "this")
    for stop in (15, 11):
        with pytest.raises(KeyboardInterrupt):
            tune(checkpoints / "learned", left, stop, steps=40)
    assert torch.equal(state(tune(checkpoints / "learned", left, steps=40)), undisturbed)


# ---------------------------------------------------------------- the learned variance


def test_fine_tuning_improves_the_variance_too(checkpoints):
    start, end = (losses(tune(checkpoints / "learned", steps=n), with_bound=True) for n in (1, 60))
    assert end < start


@pytest.fixture(scope="module")
def long_tuned(checkpoints) -> DiTTransformer2DModel:
    return tune(checkpoints / "learned", steps=250, batch=32)


def test_the_tuned_variance_is_nearly_as_good_as_the_best_constant_one(long_tuned):
    """Among the last few steps back, where the smallest and the largest variance differ."""
    bound = VarianceBound(DDIMScheduler(beta_schedule="scaled_linear").alphas_cumprod)
    abar = DDIMScheduler(beta_schedule="scaled_linear").alphas_cumprod[:4]
    latents, labels = examples(NEW, 300, seed=1)
    recipe = Recipe(**RECIPE | {"batch": 300, "drop_label": 0.0})
    batch = draw(lambda rows: latents[rows], labels, len(NEW), abar, (5,), 0, recipe)
    with torch.no_grad():
        output = long_tuned(batch.noisy, timestep=batch.times, class_labels=batch.classes).sample
    eps, place = output.split(4, dim=1)
    costs = {
        value: bound(batch.clean, batch.noisy, eps, torch.full_like(eps, value), batch.times).mean().item()
        for value in (-1.0, -0.5, 0.0, 0.5, 1.0)
    }
    learned = bound(batch.clean, batch.noisy, eps, place, batch.times).mean().item()
    best, worst = min(costs.values()), max(costs.values())
    assert learned < best + 0.25 * (worst - best)
    assert place.abs().max() < 2


def test_a_tuned_model_still_samples_with_its_learned_variance(long_tuned):
    abar = DDIMScheduler(beta_schedule="scaled_linear").alphas_cumprod.double()
    classes, noise = torch.arange(96) % 3, torch.Generator().manual_seed(0)

    def denoise(latents, time):
        output = long_tuned(latents, timestep=torch.full((96,), time), class_labels=classes).sample
        return output[:, :4], output[:, 4:]

    def fresh() -> torch.Tensor:
        return torch.randn(96, *SHAPE, generator=noise)

    with torch.no_grad():
        made = sample(fresh(), denoise, abar, 25, fresh)
    patterns = torch.from_numpy(examples(NEW, 3)[0])
    nearest = (made[:, None] - patterns[None]).square().mean(dim=(2, 3, 4)).argmin(dim=1)
    assert (nearest == classes).float().mean() > 0.8


# ---------------------------------------------------------------- memory


@pytest.fixture
def plain_steps(monkeypatch):
    """Gradient descent without Adam, whose first steps turn rounding errors of small gradients into large moves."""
    monkeypatch.setattr(torch.optim, "AdamW", lambda parameters, lr, weight_decay: torch.optim.SGD(parameters, lr))


@pytest.mark.parametrize("name", ["plain", "learned"])
@pytest.mark.parametrize("micro_batch", [1, 5, 16, 100])
def test_a_batch_in_parts_gives_the_gradient_of_the_whole(checkpoints, plain_steps, name, micro_batch):
    whole, parts = (tune(checkpoints / name, steps=3, lr=0.1, micro_batch=size) for size in (0, micro_batch))
    assert (state(whole) - state(tune(checkpoints / name, steps=1, lr=1e-9))).abs().max() > 1e-3
    torch.testing.assert_close(state(parts), state(whole), rtol=1e-4, atol=1e-6)


def test_no_more_than_a_micro_batch_is_computed_at_once(checkpoints):
    transformer = DiTTransformer2DModel.from_pretrained(checkpoints / "plain" / "transformer")
    seen = []
    transformer.register_forward_pre_hook(lambda _, arguments: seen.append(len(arguments[0])))
    latents, labels = examples(OLD)
    recipe = Recipe(**RECIPE | {"steps": 2, "ema": 0.0}, micro_batch=6)
    learn(transformer, DDPMScheduler().alphas_cumprod, lambda rows: latents[rows], labels, WORDS, None, recipe)
    assert seen == [6, 6, 4] * 2


def test_recomputing_activations_changes_nothing(checkpoints):
    plain, recomputed = (tune(checkpoints / "learned", steps=4, recompute=value) for value in (False, True))
    assert torch.equal(state(plain), state(recomputed))
    assert not recomputed.gradient_checkpointing


def test_bfloat16_computes_in_it_and_keeps_weights_in_float32(checkpoints):
    single, half = (tune(checkpoints / "plain", precision=precision) for precision in ("float32", "bfloat16"))
    assert {p.dtype for p in half.parameters()} == {torch.float32}
    assert not torch.equal(state(single), state(half))
    assert losses(half) == pytest.approx(losses(single), abs=0.05)


# ---------------------------------------------------------------- what is refused


@pytest.mark.parametrize("shape", [(4, 8, 8), (8, 4, 4)])
def test_latents_of_another_shape_are_refused_before_training(checkpoints, shape):
    with pytest.raises(RetortError, match=r"works on latents \(4, 4, 4\), but those to train it on are"):
        finetune_dit(checkpoints / "plain", {}, None, np.zeros(3, int), shape, NEW, WORDS, **RECIPE)


def test_a_checkpoint_that_predicts_something_else_is_refused(checkpoints, tmp_path):
    DDIMScheduler(prediction_type="v_prediction").save_pretrained(tmp_path / "scheduler")
    with pytest.raises(RetortError, match="predicts 'v_prediction'"):
        finetune_dit(tmp_path, {}, None, np.zeros(3, int), SHAPE, NEW, WORDS, **RECIPE)


def test_a_checkpoint_without_a_null_class_is_refused(checkpoints):
    transformer = DiTTransformer2DModel.from_pretrained(checkpoints / "plain" / "transformer")
    transformer.register_to_config(num_embeds_ada_norm=6)
    with pytest.raises(RetortError, match="no null class"):
        replace_classes(transformer, NEW, {})


# ---------------------------------------------------------------- as a stage


@pytest.mark.parametrize("more", [{}, {"trainable": "difffit", "losses": {"memory": 4}, "schedule": "constant"}])
def test_a_fine_tuned_pipeline_keeps_its_schedule_says_its_origin_and_runs(checkpoints, tmp_path, more):
    save_models(tmp_path)  # for a vae of 4 x 8 x 8 latents at 16 pixels, 4 x 4 x 4 at 8
    shard, table = str(tmp_path / "latents.safetensors"), tmp_path / "classes.csv"
    latents, labels = examples(NEW)
    write_tensors(shard, {f"latents/{c}": latents[labels == i] for i, c in enumerate(NEW)})
    table.write_text("index,id,name\n" + "".join(f"{i},{c},the {c}\n" for i, c in enumerate(NEW)))
    write_json(checkpoints / "learned" / "origin.json", {"source": "someone/something", "revision": "0123"})
    state = Checkpoint(tmp_path / "state.safetensors", "test")
    settings = RECIPE | {"steps": 3, "timestep_embedding": "original"} | more
    parts = ([shard], str(table), str(tmp_path / "vae"), str(tmp_path / "tuned"), state)
    train_dit(*parts, name="dit", seed=0, settings=settings, start=Start(str(checkpoints / "learned")))
    (checkpoints / "learned" / "origin.json").unlink()
    origin = read_json(tmp_path / "tuned" / "origin.json")
    assert origin == {"name": "dit", "trained_from": {"source": "someone/something", "revision": "0123"}}
    model = load_diffusion(
        ModelFiles(str(tmp_path / "tuned"), "float32", "original"), CodecFiles(str(tmp_path / "vae"), "float32", 8)
    )
    expected = DDIMScheduler(beta_schedule="scaled_linear").alphas_cumprod.double()
    torch.testing.assert_close(model.alphas_cumprod, expected)
    eps, variance = model.eps_and_variance(torch.zeros(2, *SHAPE), torch.tensor([3, 900]), model.null(2))
    assert eps.shape == variance.shape == (2, *SHAPE)
    assert model.null_class == 3


def test_training_for_the_original_timestep_embedding_uses_it(checkpoints):
    for convention, shift in (("diffusers", 1), ("original", 0)):
        tuned = tune(checkpoints / "plain", steps=1, timestep_embedding=convention)
        assert {b.norm1.emb.time_proj.downscale_freq_shift for b in tuned.transformer_blocks} == {shift}


def config_of(folder: Path, classes: int) -> Path:
    (folder / "transformer").mkdir(parents=True)
    write_json(folder / "transformer" / "config.json", {"num_embeds_ada_norm": classes})
    return folder


def test_classes_that_the_checkpoint_knows_are_found_by_id_in_its_own_list(tmp_path):
    nette = subset_classes("imagenette")
    start = Start(str(config_of(tmp_path, 10)), "imagenette")
    assert start.known([nette[7], "mine", nette[2]]) == {nette[7]: 7, nette[2]: 2}


def test_of_a_checkpoint_of_unknown_classes_none_is_taken_for_known(tmp_path):
    assert Start(str(config_of(tmp_path / "more", 5))).known(NEW) == {}
    assert Start(str(config_of(tmp_path / "same", 3))).known(NEW) == {"cat": 0, "fly": 1, "ant": 2}


def test_a_class_list_of_another_length_than_the_checkpoints_is_refused(tmp_path):
    with pytest.raises(RetortError, match="has 1000 classes, but imagenette has 10"):
        Start(str(config_of(tmp_path, 1000)), "imagenette").known(NEW)
