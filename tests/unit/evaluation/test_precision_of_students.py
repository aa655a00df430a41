"""Students and labels in mixed precision, batches in parts, and batches that are shown twice."""

from pathlib import Path

import numpy as np
import pytest
import torch
from tests.helpers.birds import ADAMW, SGD, STEPS, label, make_home, train

from retort.base.errors import RetortError
from retort.base.tensors import open_tensors, read_metadata
from retort.evaluation import student as student_module
from retort.evaluation.student import Recipe, evaluate
from retort.evaluation.views import ViewSettings
from retort.models.classifiers import build_classifier, normalised
from retort.models.precision import logits_in, scaler_for
from retort.models.training_state import Training
from retort.stages.evaluation.train_students import Labelling

MIXED = ["bfloat16", "float16"]
WITHIN = {"bfloat16": 0.02, "float16": 0.003}  # of the first loss: eight and eleven bits


@pytest.fixture(scope="module")
def home(tmp_path_factory) -> Path:
    return make_home(tmp_path_factory.mktemp("birds"))


def changed(recipe: Recipe, **changes) -> Recipe:
    return Recipe(**vars(recipe) | changes)


def in_precision(home: Path, kind: str, precision: str, labels: Path | None = None) -> dict:
    """The record of one student whose labels, too, are of that precision."""
    own = label(home, "two", kind, STEPS if kind == "region" else None, labels, precision=precision) if labels else None
    labelling = Labelling(kind, 4.0, str(own) if own else None, str(home / "teacher"), None, precision)
    recipe = changed(SGD if kind == "hard" else ADAMW, precision=precision, evaluations=STEPS.steps)
    return train(home, kind, labelling=labelling, recipe=recipe)[0]


# ---------------------------------------------------------------- mixed precision


@pytest.mark.parametrize("precision", MIXED)
@pytest.mark.parametrize("kind", ["hard", "static", "region", "online"])
def test_losses_in_mixed_precision_are_those_in_float32_but_for_its_bits(home, tmp_path, kind, precision):
    stored = {
        p: tmp_path / f"{p}.safetensors" if kind in ("static", "region") else None for p in ("float32", precision)
    }
    exact, mixed = (in_precision(home, kind, p, file)["curve"] for p, file in stored.items())
    assert mixed != exact
    assert mixed[0]["loss"] != exact[0]["loss"]
    assert mixed[0]["loss"] == pytest.approx(exact[0]["loss"], rel=WITHIN[precision] * 5, abs=WITHIN[precision])


@pytest.mark.parametrize("precision", MIXED)
def test_students_in_mixed_precision_learn_as_well_within_the_noise_of_their_seeds(home, precision):
    views = ViewSettings(batch=18, crop=(1.0, 1.0), flip=False, cutmix=0.0, steps=30)
    recipe = changed(SGD, lr=0.05, evaluations=1)
    how = {"name": "full", "views": views, "seeds": 3}
    exact, mixed = (
        np.array([result["last"]["top1"] for result in train(home, "hard", recipe=r, **how)])
        for r in (recipe, changed(recipe, precision=precision))
    )
    noise = max(exact.std(ddof=1), mixed.std(ddof=1), 1 / 21)  # one test image at least
    assert mixed.mean() > 0.8
    assert abs(mixed.mean() - exact.mean()) < 2 * noise


def test_weights_and_tests_stay_in_float32(home, monkeypatch):
    seen = []

    def test(module, *rest, **named):
        seen.append({p.dtype for p in module.parameters()} | {torch.is_autocast_enabled("cpu")})
        return evaluate(module, *rest, **named)

    monkeypatch.setattr(student_module, "evaluate", test)
    train(home, "hard", recipe=changed(SGD, precision="bfloat16"))
    assert seen == [{torch.float32, False}] * SGD.evaluations


def test_only_float16_scales_its_losses_and_a_step_that_overflows_is_left_out():
    assert [scaler_for(p, torch.device("cpu")).is_enabled() for p in ("float32", *MIXED)] == [False, False, True]
    module = torch.nn.Linear(2, 1, bias=False)
    training = Training(
        module, torch.optim.SGD(module.parameters(), lr=1.0), None, scaler_for("float16", torch.device("cpu"))
    )
    before, scale = module.weight.detach().clone(), training.scaler.state_dict()["scale"]
    recipe = changed(SGD, precision="float16")
    student_module._learn(training, torch.ones(3, 2), lambda logits, part: logits.sum() * 1e38, recipe)
    assert torch.equal(module.weight, before)
    assert training.scaler.state_dict()["scale"] == scale / 2
    student_module._learn(training, torch.ones(3, 2), lambda logits, part: logits.mean(), recipe)
    torch.testing.assert_close(module.weight, before - 1)


def test_a_network_that_was_asked_without_gradients_still_gets_them():
    """autocast keeps what it has cast until its block ends, gradients or not."""
    module, images = torch.nn.Linear(4, 2), torch.ones(3, 4)
    with torch.no_grad():
        logits_in(module, images, "bfloat16")
    logits_in(module, images, "bfloat16").sum().backward()
    torch.testing.assert_close(module.weight.grad, torch.full((2, 4), 3.0))


# ---------------------------------------------------------------- labels


@pytest.mark.parametrize("precision", MIXED)
def test_stored_and_online_labels_of_one_precision_train_the_same_students(home, tmp_path, precision):
    region = in_precision(home, "region", precision, tmp_path / "labels.safetensors")
    online = in_precision(home, "online", precision)
    assert [p["loss"] for p in region["curve"]] == pytest.approx([p["loss"] for p in online["curve"]], rel=1e-6)
    assert region["last"] == online["last"]


@pytest.mark.parametrize("kind", ["region", "static"])
def test_labels_are_made_in_the_precision_and_say_so(home, tmp_path, kind):
    views = STEPS if kind == "region" else None
    mixed = label(home, "two", kind, views, tmp_path / "labels.safetensors", precision="bfloat16")
    assert read_metadata(mixed)["precision"] == "bfloat16"
    exact, rough = (open_tensors(path)["logits"].astype(np.float32) for path in (home / f"{kind}.safetensors", mixed))
    assert 0 < np.abs(exact - rough).max() < 0.05 * np.abs(exact).max()
    assert np.array_equal(rough, torch.from_numpy(rough).bfloat16().float().numpy())
    with pytest.raises(RetortError, match=r"holds labels made in another precision \(bfloat16, here float32\)"):
        train(home, kind, labels=mixed)


# ---------------------------------------------------------------- batches in parts


def state_after(
    home: Path, monkeypatch, arch: str, kind: str, double: bool = True, **changes
) -> dict[str, torch.Tensor]:
    """All that a training changes, at its end; double: the student computes so, which keeps rounding small."""
    states = []

    class Watched(Training):
        def __init__(self, *arguments):
            super().__init__(*arguments)
            states.append(self)

    def build(*arguments):
        module = build_classifier(arch, *arguments[1:])
        return module.double() if double else module

    with monkeypatch.context() as patch:
        patch.setattr(student_module, "build_classifier", build)
        patch.setattr(student_module, "Training", Watched)
        if double:
            patch.setattr(student_module, "normalised", lambda images: normalised(images).double())
        train(home, kind, **changes)
    return states[0].tensors()


def apart(one: dict, other: dict) -> float:
    assert one.keys() == other.keys()
    numbers = [name for name in one if name.startswith(("module/", "optimizer/"))]
    return max((one[name].double() - other[name].double()).abs().max().item() for name in numbers)


@pytest.mark.parametrize("more", [{}, {"cutmix": 0.0, "mixup": 0.8}], ids=["cutmix", "mixup"])
@pytest.mark.parametrize("parts", [2, 3, 4, 9])
@pytest.mark.parametrize("kind", ["hard", "static", "region"])
def test_a_batch_in_parts_trains_as_the_whole_one_but_for_rounding(home, tmp_path, monkeypatch, kind, parts, more):
    """Partners lie in other parts, parts of 4 views by 3 are of 2, and there are never more parts than views."""
    views = ViewSettings(**vars(STEPS) | more)
    stored = label(home, "two", kind, views if kind == "region" else None, tmp_path / "l") if kind != "hard" else None
    recipe = SGD if kind == "hard" else ADAMW
    whole, split = (
        state_after(home, monkeypatch, "convnet3", kind, views=views, labels=stored, recipe=r)
        for r in (recipe, changed(recipe, accumulate=parts))
    )
    assert apart(whole, split) < 1e-9
    untrained = state_after(
        home, monkeypatch, "convnet3", kind, views=views, labels=stored, recipe=changed(recipe, lr=0)
    )
    assert apart(whole, untrained) > 1e-3


def test_online_labels_are_of_the_whole_batch_too(home, monkeypatch):
    whole, split = (
        state_after(home, monkeypatch, "convnet3", "online", double=False, recipe=recipe)
        for recipe in (SGD, changed(SGD, accumulate=2))  # AdamW would magnify what is only rounding
    )
    assert 0 < apart(whole, split) < 1e-4


def test_the_loss_that_is_recorded_is_that_of_the_whole_batch(home):
    recipe = changed(SGD, evaluations=STEPS.steps)
    whole, split = (
        train(home, "hard", recipe=r, student="convnet3")[0] for r in (recipe, changed(recipe, accumulate=3))
    )
    assert [p["loss"] for p in split["curve"]] == pytest.approx([p["loss"] for p in whole["curve"]], rel=1e-4)


@pytest.mark.parametrize(("arch", "said"), [("resnet8", 1), ("convnet3", 0)])
def test_batch_norm_is_named_where_it_sees_parts(home, capsys, arch, said):
    train(home, "hard", student=arch, recipe=changed(SGD, accumulate=2))
    assert capsys.readouterr().out.count("batch norm sees the parts of a batch (accumulate)") == said
    train(home, "hard", student=arch)
    assert "batch norm" not in capsys.readouterr().out


# ---------------------------------------------------------------- batches that are shown twice


@pytest.mark.parametrize("parts", [1, 2])
def test_showing_a_batch_twice_moves_the_statistics_of_batch_norm_twice_and_nothing_else(home, monkeypatch, parts):
    once_only = ViewSettings(**vars(STEPS) | {"steps": 1})
    recipe = changed(SGD, evaluations=1, accumulate=parts)
    once, twice = (
        state_after(home, monkeypatch, "resnet8", "hard", views=once_only, recipe=r)
        for r in (recipe, changed(recipe, forward_twice=True))
    )
    differing = {name for name in once if not torch.equal(once[name], twice[name])}
    assert {name.rsplit(".")[-1] for name in differing} == {"running_mean", "running_var", "num_batches_tracked"}
    if parts == 1:
        for name in differing:
            if name.endswith("running_mean"):
                torch.testing.assert_close(twice[name], once[name] * 1.9)  # 0.19 and 0.1 of the batch's, from zero
            if name.endswith("running_var"):
                torch.testing.assert_close(twice[name], 0.81 + (once[name] - 0.9) * 1.9)


def test_without_batch_norm_showing_twice_changes_nothing(home):
    once, twice = (train(home, "hard", student="convnet3", recipe=changed(SGD, forward_twice=f)) for f in (False, True))
    assert once == twice
    once, twice = (train(home, "hard", recipe=changed(SGD, forward_twice=f)) for f in (False, True))
    assert once != twice
