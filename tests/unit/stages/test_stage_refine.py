"""Refining a shard: the chosen members, the same whatever the shard, the batch and the company."""

from pathlib import Path

import numpy as np
import pytest
import torch
from tests.helpers.parts import sampling as sampling_by
from tests.helpers.tiny_models import CLASSES, SHAPE, SIDE, files, generate, read, save_models, write_classes

from retort.base.errors import RetortError
from retort.base.files import write_rows
from retort.base.seeds import numpy_rng, torch_rng
from retort.base.tensors import write_tensors
from retort.data.images import resized
from retort.methods.ancestral import respace
from retort.methods.refinement import draw_indices, refine
from retort.models.dit import DiT
from retort.models.load import load_diffusion
from retort.models.pixels import to_pixels
from retort.parts.resolve import part_of
from retort.stages.sets import refine_latents as stage
from retort.stages.sets.refine_latents import refine_latents

IPC, POOL = 2, 5
USUAL = {
    "iterations": 20,
    "lr": 0.02,
    "steps": 20,
    "share": 0.5,
    "peak_weight": 1.0,
    "condition": "unconditional",
    "timestep": "index",
}
PICKS = {0: (4, 1), 1: (0, 3), 2: (2, 4), 3: (1, 0)}  # class: members of the pool, best first
ROUNDING = {"rtol": 0, "atol": 1e-3}  # of latents of about 1, moved by up to 20 steps of 0.02


@pytest.fixture(scope="module")
def home(tmp_path_factory) -> Path:
    """Models, the pool of five latents a class in pool.safetensors and in four shards, and chosen.csv."""
    folder = tmp_path_factory.mktemp("models")
    save_models(folder)
    rng = np.random.default_rng(0)
    latents = rng.standard_normal((4 * POOL, *SHAPE)).astype(np.float32)
    write_pool(folder / "pool.safetensors", latents, range(4))
    for label in range(4):
        write_pool(folder / f"pool{label}.safetensors", latents[label * POOL : (label + 1) * POOL], [label])
    write_chosen(folder / "chosen.csv", PICKS)
    return folder


def write_pool(path: Path, latents: np.ndarray, classes) -> None:
    labels, index = np.repeat(list(classes), POOL), np.tile(np.arange(POOL), len(classes))
    pixels = np.zeros((len(latents), SIDE, SIDE, 3), dtype=np.uint8)
    write_tensors(path, {"latents": latents, "pixels": pixels, "class_index": labels, "index": index})


def write_chosen(path: Path, picks: dict[int, tuple[int, ...]]) -> None:
    rows = [{"class_index": k, "index": i, "member": m} for k in picks for i, m in enumerate(picks[k])]
    write_rows(path, ["class_index", "index", "member"], rows)


def refined(home: Path, classes=(0, 1, 2, 3), batch=4, pool="pool", chosen="chosen", **changes) -> dict:
    """The content of one refined shard; changes of the refinement or of the stage's own settings."""
    stages = {"ipc": IPC, "side": SIDE, "dataset": "toy", "seed": 0}
    table = changes.pop("table", home / "classes.csv")
    own = {key: changes.pop(key) for key in list(changes) if key in stages}
    refine_latents(
        str(table),
        str(home / f"{pool}.safetensors"),
        [str(home / f"{chosen}.csv")] if chosen else [],
        str(home / "refined.safetensors"),
        **files(home),
        refinement=part_of("refinements", USUAL | changes),
        class_indices=list(classes),
        batch=batch,
        **stages | own,
    )
    return read(home / "refined.safetensors")


def directly(home: Path, label: int, member: int, **changes) -> tuple[torch.Tensor, torch.Tensor]:
    """One image by the method itself, with the draws that its class and member seed."""
    facts, words = USUAL | changes, (0, "refine", "toy", CLASSES[label], member)
    model = load_diffusion(*files(home).values())
    null = {"class_labels": torch.tensor([label if facts["condition"] == "class" else len(CLASSES)])}
    latent = read(home / "pool.safetensors")["latents"][label * POOL + member]
    indices = draw_indices(facts["steps"], facts["share"], facts["iterations"], numpy_rng(*words, "steps"))
    return refine(
        torch.from_numpy(latent)[None],
        torch.randn(1, *SHAPE, generator=torch_rng(*words, "noise")),
        lambda x, t: model.eps(x, t, null),
        respace(model.alphas_cumprod, facts["steps"]),
        torch.from_numpy(indices)[None],
        lr=facts["lr"],
        peak_weight=facts["peak_weight"],
        timestep=facts["timestep"],
    )


def assert_same(found: dict, expected: dict, exactly: bool) -> None:
    for key in expected:
        if exactly or key in ("class_index", "index", "member"):
            np.testing.assert_array_equal(found[key], expected[key])
        elif key == "pixels":
            assert np.abs(found[key].astype(int) - expected[key]).max() <= 1
        else:
            np.testing.assert_allclose(found[key], expected[key], **ROUNDING)


# ---------------------------------------------------------------- what comes out


@pytest.mark.parametrize(
    "changes", [{}, {"condition": "class"}, {"timestep": "mapped"}, {"peak_weight": 10.0, "share": 1.0}]
)
def test_each_image_is_what_the_method_makes_of_its_member_alone(home, changes):
    shard = refined(home, [1, 2], **changes)
    places = [(k, m) for k in (1, 2) for m in PICKS[k]]
    for n, (label, member) in enumerate(places):
        latent, loss = directly(home, label, member, **changes)
        np.testing.assert_allclose(shard["latents"][n], latent[0], **ROUNDING)
        assert shard["loss_before"][n] == pytest.approx(loss[0, :2].mean().item(), rel=1e-4)
        assert shard["loss_after"][n] == pytest.approx(loss[0, -2:].mean().item(), rel=1e-3)


def test_a_shard_names_its_images_and_their_members(home):
    shard = refined(home, [1, 2])
    assert shard["class_index"].tolist() == [1, 1, 2, 2]
    assert shard["index"].tolist() == [0, 1, 0, 1]
    assert shard["member"].tolist() == [0, 3, 2, 4]
    assert set(shard) == {"latents", "pixels", "class_index", "index", "member", "loss_before", "loss_after"}
    assert (shard["latents"].dtype, shard["pixels"].dtype) == (np.float32, np.uint8)


def test_pixels_are_decoded_from_the_refined_latents_and_resized(home):
    shard, large = refined(home, [0]), refined(home, [0], side=24)
    with torch.inference_mode():
        decoded = to_pixels(load_diffusion(*files(home).values()).decode(torch.from_numpy(shard["latents"])))
    assert np.abs(decoded.astype(int) - shard["pixels"]).max() <= 1
    np.testing.assert_array_equal(large["pixels"], [resized(pixels, 24) for pixels in shard["pixels"]])


def test_latents_move_and_the_loss_falls_where_it_can(home):
    """Steps of one index only, so that the loss does not change with the draw."""
    shard = refined(home, condition="class", iterations=100, share=2 / 20 + 0.01, steps=20, timestep="mapped")
    whole = read(home / "pool.safetensors")["latents"].reshape(4, POOL, *SHAPE)
    before = np.stack([whole[k, m] for k in range(4) for m in PICKS[k]])
    moved = np.abs(shard["latents"] - before).reshape(8, -1).max(axis=1)
    assert (moved > 0.05).all()
    assert (moved <= 100 * 0.02 * 1.5).all()
    assert (shard["loss_after"] < shard["loss_before"]).all()


def test_without_a_choice_every_image_of_the_pool_is_refined(home):
    everything = refined(home, chosen=None, ipc=POOL)
    assert everything["member"].tolist() == everything["index"].tolist() == [*range(POOL)] * 4
    chosen = refined(home)
    places = [label * POOL + member for label in range(4) for member in PICKS[label]]
    for key in ("latents", "loss_before", "loss_after"):
        np.testing.assert_allclose(chosen[key], everything[key][places], **ROUNDING)


def test_what_is_known_of_the_pool_follows_its_members(home):
    pool = read(home / "pool.safetensors")
    known = {"group": np.arange(20) * 10, "score": np.arange(20) / 4, "row": np.arange(20) + 100}
    write_tensors(home / "known.safetensors", pool | known)
    shard = refined(home, [1, 2], pool="known", iterations=1)
    places = [label * POOL + member for label in (1, 2) for member in PICKS[label]]
    for key in known:
        np.testing.assert_array_equal(shard[key], known[key][places])
        assert shard[key].dtype == known[key].dtype


def test_a_generated_shard_can_be_refined_as_it_is(home):
    pool = generate(home, home / "fresh.safetensors", [1, 2], 4, number=3, sampling=sampling_by("ddim", 5, 2, 1.0))
    shard = refined(home, [1, 2], pool="fresh", chosen=None, ipc=3)
    assert shard["latents"].shape == pool["latents"].shape
    assert not np.array_equal(shard["latents"], pool["latents"])


# ---------------------------------------------------------------- what must not change it


@pytest.mark.parametrize("batch", [1, 3, 4, 16])
def test_an_image_is_the_same_to_the_last_bit_whatever_the_shard(home, batch):
    whole = refined(home, batch=batch)
    for cuts in ([[0, 1], [2, 3]], [[0], [1, 2, 3]], [[0], [1], [2], [3]]):
        parts = [refined(home, cut, batch, pool=f"pool{cut[0]}" if len(cut) == 1 else "pool") for cut in cuts]
        assert_same({key: np.concatenate([part[key] for part in parts]) for key in whole}, whole, exactly=True)
    assert len(np.unique(whole["latents"].reshape(8, -1), axis=0)) == 8


def test_batches_differ_by_rounding_only(home):
    whole = refined(home, batch=1)
    for batch in (2, 3, 8, 64):
        assert_same(refined(home, batch=batch), whole, exactly=False)


def test_a_member_is_refined_alike_wherever_the_selection_puts_it(home, tmp_path):
    write_chosen(tmp_path / "chosen.csv", {k: members[::-1] for k, members in PICKS.items()})
    usual, turned = refined(home), refined(home, chosen=tmp_path / "chosen")
    np.testing.assert_array_equal(turned["member"], usual["member"].reshape(4, 2)[:, ::-1].ravel())
    flip = np.arange(8).reshape(4, 2)[:, ::-1].ravel()
    for key in ("latents", "loss_before", "loss_after"):
        np.testing.assert_allclose(turned[key][flip], usual[key], **ROUNDING)


def test_a_larger_choice_leaves_the_images_of_a_smaller_one_as_they_are(home, tmp_path):
    write_chosen(tmp_path / "chosen.csv", {k: (*members, 2 if k != 2 else 0) for k, members in PICKS.items()})
    small, large = refined(home), refined(home, chosen=tmp_path / "chosen", ipc=3)
    np.testing.assert_allclose(large["latents"][large["index"] < 2], small["latents"], **ROUNDING)


@pytest.mark.parametrize(
    "change",
    [
        *({"seed": 1}, {"dataset": "other"}, {"iterations": 19}, {"lr": 0.01}, {"steps": 21}, {"share": 0.4}),
        *({"peak_weight": 2.0}, {"condition": "class"}, {"timestep": "mapped"}),
    ],
    ids=str,
)
def test_every_setting_and_the_seed_reach_the_latents(home, change):
    usual, other = refined(home, [1]), refined(home, [1], **change)
    assert (np.abs(usual["latents"] - other["latents"]).reshape(2, -1).max(axis=1) > 1e-3).all()


def test_the_model_is_not_changed_and_gathers_no_gradient(home, monkeypatch):
    kept = []
    load = stage.load_diffusion

    def watched(*arguments):
        kept.append(load(*arguments))
        return kept[-1]

    monkeypatch.setattr(stage, "load_diffusion", watched)
    refined(home, [0])
    (model,) = kept
    fresh = load(*files(home).values()).transformer.state_dict()
    assert all(p.grad is None for p in model.transformer.parameters())
    assert all(torch.equal(weight, fresh[name]) for name, weight in model.transformer.state_dict().items())


def test_gradients_flow_though_they_are_off_where_the_stage_is_called(home):
    usual = refined(home, [0])
    with torch.no_grad():
        assert_same(refined(home, [0]), usual, exactly=True)


def test_the_model_is_asked_for_whole_batches_of_the_null_class_or_of_the_images_own(home, monkeypatch):
    asked, eps = [], DiT.eps

    def watch(self, latents, timesteps, condition):
        asked.append(condition["class_labels"].tolist())
        return eps(self, latents, timesteps, condition)

    monkeypatch.setattr(DiT, "eps", watch)
    refined(home, [2, 3], batch=4, iterations=3)
    assert asked == [[4] * 4] * 3
    asked.clear()
    refined(home, [0, 1], batch=4, iterations=3, condition="class")
    assert asked == [[0, 0, 1, 1]] * 3


# ---------------------------------------------------------------- when it goes wrong


def test_latents_that_are_lost_name_their_class(home, tmp_path):
    latents = read(home / "pool.safetensors")["latents"]
    latents[2 * POOL + 4, 0, 0, 0] = np.nan
    write_pool(tmp_path / "pool.safetensors", latents, range(4))
    with pytest.raises(RetortError, match=r"class cat: a latent in .*pool\.safetensors is not finite; delete the file"):
        refined(home, pool=tmp_path / "pool")


def test_a_class_table_of_another_length_is_refused(home, tmp_path):
    write_classes(tmp_path / "classes.csv", CLASSES[:3])
    with pytest.raises(RetortError, match="knows 4 classes but the data set has 3"):
        refined(home, [0], table=tmp_path / "classes.csv")
