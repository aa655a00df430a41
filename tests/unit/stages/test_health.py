"""NaN and infinity in stages that run a diffusion model: which class, since which step, and what would help.

The models are tiny ones whose predictions are made NaN for one class, or from one step on.
"""

from pathlib import Path

import numpy as np
import pytest
import torch
from tests.helpers.stopping import stops
from tests.helpers.tiny_models import (
    CLASSES,
    SHAPE,
    SIDE,
    files,
    generate,
    kept,
    save_models,
    save_untrained_teacher,
    write_latents,
)
from torch import Tensor, nn

from retort.base.tensors import write_tensors
from retort.models.codec import Codec
from retort.models.dit import DiT
from retort.models.health import LossLost, Watched, check_losses, check_weights, first_broken
from retort.models.load import load_diffusion
from retort.models.pixels import to_pixels
from retort.parts.resolve import part_of
from retort.stages.models.judge_model import judge_model
from retort.stages.sets.refine_latents import refine_latents
from retort.stages.shared.invert_latents import invert_latents
from retort.stages.shared.score_typicality import score_typicality

CAT, COUNT = CLASSES.index("cat"), 3
COMMON = {"dataset": "toy", "seed": 0}


@pytest.fixture(scope="module")
def home(tmp_path_factory) -> Path:
    """Models, a teacher, latents of all classes and a pool of the same."""
    folder = tmp_path_factory.mktemp("health")
    save_models(folder)
    save_untrained_teacher(folder / "teacher", CLASSES)
    latents = np.random.default_rng(0).standard_normal((len(CLASSES), COUNT, *SHAPE)).astype(np.float32)
    rows = np.arange(len(CLASSES) * COUNT).reshape(len(CLASSES), COUNT)
    by_class = dict(zip(CLASSES, latents, strict=True)), dict(zip(CLASSES, rows, strict=True))
    write_latents(folder / "latents.safetensors", *by_class)
    pool = {"latents": latents.reshape(-1, *SHAPE), "class_index": rows.ravel() // COUNT, "index": rows.ravel() % COUNT}
    pool["pixels"] = np.zeros((len(CLASSES) * COUNT, SIDE, SIDE, 3), np.uint8)
    write_tensors(folder / "pool.safetensors", pool)
    return folder


def sample(home: Path) -> None:
    generate(home, home / "generated.safetensors", [0, 1, 2, 3], 4)


def refine(home: Path) -> None:
    inputs = (str(home / "classes.csv"), str(home / "pool.safetensors"), [], str(home / "refined.safetensors"))
    settings = {"class_indices": [0, 1, 2, 3], "ipc": COUNT, "side": SIDE, "batch": 4}
    course = {"iterations": 5, "lr": 0.01, "steps": 20, "share": 0.5, "peak_weight": 1.0}
    refinement = part_of("refinements", course | {"condition": "class", "timestep": "mapped"})
    refine_latents(*inputs, **files(home), refinement=refinement, **settings, **COMMON)


def invert(home: Path) -> None:
    inputs = (str(home / "latents.safetensors"), str(home / "classes.csv"), str(home / "inverted.safetensors"))
    invert_latents(*inputs, kept(home), **files(home), class_ids=CLASSES, steps=10, stop=6, guidance=2.0, batch=2)


def score(home: Path) -> None:
    inputs = (str(home / "latents.safetensors"), str(home / "classes.csv"), str(home / "maps.safetensors"))
    score_typicality(
        *inputs, kept(home), **files(home), class_ids=CLASSES, draws=4, low=0.1, high=0.7, **COMMON, batch=2
    )


def judge(home: Path) -> None:
    inputs = (str(home / "classes.csv"), str(home / "teacher"), str(home / "quality.json"))
    judge_model(*inputs, name="dit", **files(home), side=SIDE, batch=50, **COMMON)


STAGES = {
    "generate_images": (sample, "sampled latents", "step 1 of 5"),
    "refine_latents": (refine, "refined latents", "iteration 1 of 5"),
    "invert_latents": (invert, "inverted latents", "step 1 of 6"),
    "score_typicality": (score, "typicality maps", "call 1 of 4"),
    "judge_model": (judge, "latents sampled at guidance 1", "step 1 of 50"),
}


def lose(monkeypatch, lost, value: float = torch.nan) -> None:
    """Every DiT predicts `value` where lost(timesteps, classes), both (N,), says so."""
    predict = DiT.eps_and_variance

    def eps_and_variance(self, latents: Tensor, timesteps: Tensor, condition: dict) -> tuple:
        eps, variance = predict(self, latents, timesteps, condition)
        there = lost(timesteps, condition["class_labels"]).view(-1, 1, 1, 1)
        return eps + torch.where(there, value, 0.0), variance

    monkeypatch.setattr(DiT, "eps_and_variance", eps_and_variance)


@pytest.mark.parametrize("stage", STAGES)
def test_a_model_that_is_broken_for_one_class_is_to_be_made_again(home, monkeypatch, stage):
    run, what, since = STAGES[stage]
    lose(monkeypatch, lambda times, labels: labels == CAT)
    words = (f"class cat: {what} are not finite", rf"from {since} on \(timestep \d+\)", "make or fetch it again")
    said = stops(words, run, home)
    assert "lower" not in said, "no setting helps a model that is wrong from the start"


@pytest.mark.parametrize(
    ("stage", "since", "remedy"),
    [
        ("generate_images", r"step 3 of 5 on \(timestep 400\)", "lower the method's guidance"),
        ("judge_model", r"step 26 of 50 on \(timestep 480\)", r"lower train\.lr"),
    ],
)
def test_latents_that_are_lost_on_the_way_name_the_step_and_what_to_lower(home, monkeypatch, stage, since, remedy):
    run, what, _ = STAGES[stage]
    lose(monkeypatch, lambda times, labels: (times < 500) & (labels == CAT))
    stops((f"class cat: {what} are not finite", since, remedy), run, home)


def test_inverted_latents_that_are_lost_on_the_way_name_the_step(home, monkeypatch):
    lose(monkeypatch, lambda times, labels: times >= 400, torch.inf)
    stops((r"class ant.*step 4 of 6 on \(timestep 400\)", "lower the inversion's guidance"), invert, home)


def test_refined_latents_that_are_lost_on_the_way_name_the_iteration(home, monkeypatch):
    asked = []

    def third(times: Tensor, labels: Tensor) -> Tensor:
        asked.append(int(times[1]))
        return torch.tensor([False, len(asked) == 3, False, False])

    lose(monkeypatch, third)
    said = stops(("class ant: refined latents", r"iteration 3 of 5 on", r"lower the method's refine\.lr"), refine, home)
    assert f"(timestep {asked[2]})" in said


def test_half_precision_is_named_as_long_as_it_is_used(home, monkeypatch):
    lose(monkeypatch, lambda times, labels: labels == CAT)
    model = load_diffusion(*files(home).values())
    watched, condition = Watched(model, 2), {"class_labels": torch.tensor([0, CAT])}
    eps = watched.eps(torch.zeros(2, *SHAPE), torch.tensor([10, 10]), condition)
    given = (eps, ["ant", "cat"], "latents are", "lower it")
    assert "float32" not in stops(("class cat",), watched.check, *given)
    monkeypatch.setattr(DiT, "dtype", torch.float16)
    stops(("class cat", "set its dtype to float32, or make or fetch it again"), watched.check, *given)


def test_latents_lost_between_finite_predictions_blame_the_setting(home):
    watched = Watched(load_diffusion(*files(home).values()), 2)
    watched.eps(torch.zeros(2, *SHAPE), torch.tensor([10, 10]), {"class_labels": torch.tensor([0, 1])})
    lost = torch.tensor([[0.0], [torch.inf]])
    stops(("class bee.*predictions are; lower it$",), watched.check, lost, ["ant", "bee"], "latents are", "lower it")


def test_a_watched_model_says_what_the_model_says(home):
    model = load_diffusion(*files(home, "learned").values())
    watched, given = Watched(model, 1), (torch.zeros(2, *SHAPE), torch.tensor([10, 10]), model.null(2))
    for one, other in zip(watched.eps_and_variance(*given), model.eps_and_variance(*given), strict=True):
        assert torch.equal(one, other)
    assert torch.equal(watched.eps(*given), model.eps(*given))
    assert watched.alphas_cumprod is model.alphas_cumprod
    watched.check(torch.zeros(1, 2), ["ant"], "latents are", "lower it")


@pytest.mark.parametrize("run", [sample, refine, judge])
@pytest.mark.parametrize("value", [torch.nan, torch.inf])
def test_an_image_that_the_decoder_loses_is_not_written_black(home, monkeypatch, run, value):
    decode, calls = Codec.decode, []

    def lossy(self, latents: Tensor) -> Tensor:
        calls.append(len(latents))
        images = decode(self, latents)
        images[1, 0, 0, 0] = value
        return images

    monkeypatch.setattr(Codec, "decode", lossy)
    stops(("class ant: the image decoded from its latents is not finite", "encoder's dtype to float32"), run, home)
    assert len(calls) == 1


def test_what_is_no_number_is_no_pixel():
    with pytest.raises(ValueError, match="not finite cannot be written as pixels"):
        to_pixels(torch.full((1, 3, 2, 2), torch.nan))


# ---------------------------------------------------------------- the checks themselves


@pytest.mark.parametrize("kind", [np.asarray, torch.as_tensor], ids=["numpy", "torch"])
def test_the_first_broken_row_is_found_whatever_the_shape(kind):
    values = np.zeros((4, 2, 3), np.float16)
    assert first_broken(kind(values)) is None
    assert first_broken(kind(values[:0])) is None
    values[2, 1, 0], values[3] = np.inf, np.nan
    assert first_broken(kind(values)) == 2
    assert first_broken(kind(values[:, 1, 0])) == 2


def test_lost_losses_are_counted_from_the_last():
    losses = [torch.tensor(x) for x in (1.0, torch.inf, torch.nan)]
    with pytest.raises(LossLost, match="x: the loss is inf at step 9; y"):
        check_losses(losses, 10, "x", "y")
    check_losses(losses[:1], 10, "x", "y")


def test_a_statistic_that_a_norm_keeps_counts_as_a_weight():
    module = nn.BatchNorm1d(2)
    check_weights(module, "x", "lower it")
    module.running_var[1] = torch.nan
    words = ("x: running_var is not finite after the last step; lower it",)
    stops(words, check_weights, module, "x", "lower it")
