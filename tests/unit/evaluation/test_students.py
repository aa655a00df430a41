"""Students on a tiny made-up set: what is recorded, and what must not change a result."""

from pathlib import Path

import numpy as np
import pytest
import torch
from tests.helpers.birds import (
    CLASSES,
    EPOCHS,
    SGD,
    SIDE,
    STEPS,
    TEMPERATURE,
    VAL_COUNTS,
    birds,
    label,
    make_home,
    save_set,
    train,
)

from retort.base.errors import RetortError
from retort.base.files import read_json, write_json
from retort.evaluation import student as student_module
from retort.evaluation.augment import apply_views
from retort.evaluation.image_rows import ImageRows
from retort.evaluation.student import Recipe, evaluate
from retort.evaluation.views import Views, ViewSettings
from retort.models.classifiers import build_classifier
from retort.models.teacher import logits_of
from retort.stages.evaluation.train_students import Labelling


@pytest.fixture(scope="module")
def home(tmp_path_factory) -> Path:
    return make_home(tmp_path_factory.mktemp("birds"))


# ---------------------------------------------------------------- what decides a result


@pytest.mark.parametrize("kind", ["hard", "static", "region", "online"])
def test_the_same_seed_gives_the_same_result_and_another_a_different_one(home, kind):
    first, again, other = train(home, kind), train(home, kind), train(home, kind, seed=1)
    assert first == again
    assert first[0]["curve"] != other[0]["curve"]


def test_a_student_does_not_depend_on_how_many_are_trained_before_it(home):
    assert train(home, "hard", seeds=3)[0] == train(home, "hard", seeds=1)[0]


def test_students_of_a_set_differ_from_each_other(home):
    curves = [result["curve"] for result in train(home, "hard", seeds=3)]
    assert curves[0] != curves[1] != curves[2] != curves[0]


def watch(home: Path, monkeypatch, *args, **kwargs) -> tuple[list[dict], list[Views]]:
    """Initial weights of every student that `train` trains, and all the views that they see."""
    weights, seen = [], []

    def build(*arguments):
        module = build_classifier(*arguments)
        weights.append({name: tensor.clone() for name, tensor in module.state_dict().items()})
        return module

    def apply(images, planned):
        seen.append(planned)
        return apply_views(images, planned)

    with monkeypatch.context() as patch:
        patch.setattr(student_module, "build_classifier", build)
        patch.setattr(student_module, "apply_views", apply)
        train(home, *args, **kwargs)
    return weights, seen


def equal(one: dict, other: dict) -> bool:
    return all(torch.equal(one[name], other[name]) for name in one)


def test_initial_weights_are_equal_across_methods_and_protocols_for_the_same_seed(home, monkeypatch):
    runs = [("hard", "two"), ("hard", "other"), ("hard", "full"), ("static", "two"), ("online", "three")]
    weights = [watch(home, monkeypatch, kind, name, seeds=2)[0] for kind, name in runs]
    for index in (0, 1):
        assert all(equal(weights[0][index], other[index]) for other in weights[1:])
    assert not equal(weights[0][0], weights[0][1])


def test_hard_labels_show_the_same_stream_of_views_for_every_set_but_another_for_each_seed(home, monkeypatch):
    (_, two), (_, other) = (watch(home, monkeypatch, "hard", name, seeds=2) for name in ("two", "other"))
    for one, twin in zip(two, other, strict=True):
        assert all(np.array_equal(getattr(one, name), getattr(twin, name)) for name in vars(one))
    assert not np.array_equal(two[0].boxes, two[8].boxes)


def test_stored_labels_show_the_same_views_to_every_seed(home, monkeypatch):
    _, seen = watch(home, monkeypatch, "region", seeds=2)
    for one, twin in zip(seen[:8], seen[8:], strict=True):
        assert all(np.array_equal(getattr(one, name), getattr(twin, name)) for name in vars(one))


def test_online_labels_may_be_of_views_that_each_seed_draws_for_itself(home, monkeypatch):
    own = {"labelling": Labelling("online", TEMPERATURE, None, str(home / "teacher"), None, own_views=True)}
    _, two = watch(home, monkeypatch, "online", "two", seeds=2, **own)
    _, other = watch(home, monkeypatch, "online", "other", seeds=2, **own)
    _, hard = watch(home, monkeypatch, "hard", "two", seeds=2)
    assert not np.array_equal(two[0].boxes, two[8].boxes)
    for one, twin, third in zip(two, other, hard, strict=True):  # by seed as with hard labels, whatever the set
        assert all(np.array_equal(getattr(one, name), getattr(twin, name)) for name in vars(one))
        assert all(np.array_equal(getattr(one, name), getattr(third, name)) for name in vars(one))


def test_another_set_trains_another_student(home):
    assert train(home, "hard")[0]["curve"] != train(home, "hard", name="other")[0]["curve"]


def test_the_full_set_read_from_the_split_trains_as_its_copied_images_do(home):
    save_set(home, "full", "copied", copy=True)
    mapped, copied = (train(home, "hard", name=name)[0] for name in ("full", "copied"))
    assert mapped.pop("method") != copied.pop("method")
    assert mapped.pop("image_bytes") is None  # whose images stay where they are
    assert copied.pop("image_bytes") > 0
    assert mapped == copied
    assert mapped["train_images"] == 18


@pytest.mark.parametrize("kind", ["hard", "region"])
def test_on_the_cpu_deterministic_kernels_change_no_bit(home, kind):
    views = ViewSettings(**vars(STEPS) | {"jitter": 0.4, "lighting": 0.1, "shuffle": 2})
    stored = label(home, "two", "region", views, home / "shuffled.safetensors")
    before = train(home, kind, views=views, labels=stored)
    torch.use_deterministic_algorithms(True)
    try:
        again = label(home, "two", "region", views, home / "again.safetensors")
        assert train(home, kind, views=views, labels=again) == before
    finally:
        torch.use_deterministic_algorithms(False)
    assert again.read_bytes() == stored.read_bytes()


# ---------------------------------------------------------------- what is recorded


@pytest.mark.parametrize("kind", ["hard", "static", "region", "online"])
def test_sets_of_any_size_are_trained_equally_long_by_labels_of_every_kind(home, tmp_path, kind):
    """5 updates of 8 views: of sets of 6, 9 and 18 images."""
    views = ViewSettings(batch=8, crop=(0.4, 1.0), flip=True, cutmix=1.0, updates=5)
    for name, images in (("two", 6), ("three", 9), ("full", 18)):
        stored = kind in ("region", "static")
        labels = label(home, name, kind, views, tmp_path / f"{name}.safetensors") if stored else None
        (record,) = train(home, kind, name, views=views, labels=labels)
        assert (record["steps"], record["views"], record["train_images"]) == (5, 40, images)
        assert [point["step"] for point in record["curve"]] == [1, 2, 4, 5]


def test_the_views_that_are_seen_are_counted_for_every_kind_of_length(home):
    assert (train(home, "hard")[0]["steps"], train(home, "hard")[0]["views"]) == (8, 8 * 4)
    by_epochs = train(home, "hard", views=EPOCHS)[0]
    assert (by_epochs["steps"], by_epochs["views"]) == (6, 3 * 6)


def test_last_best_and_per_class_agree_with_the_curve(home):
    for result in train(home, "hard", seeds=3, recipe=Recipe(**vars(SGD) | {"lr": 0.05, "evaluations": 8})):
        curve = result["curve"]
        assert [point["step"] for point in curve] == [1, 2, 3, 4, 5, 6, 7, 8]
        assert result["last"]["top1"] == curve[-1]["top1"]
        assert result["last"]["top5"] == curve[-1]["top5"] == 1  # of three classes
        best = max(point["top1"] for point in curve)
        assert result["best"]["top1"] == best
        assert result["best"]["step"] == next(point["step"] for point in curve if point["top1"] == best)
        per_class = np.array(result["last"]["per_class"])
        assert per_class.shape == (3,)
        assert per_class @ VAL_COUNTS / sum(VAL_COUNTS) == pytest.approx(result["last"]["top1"], abs=1e-12)


@pytest.mark.parametrize(("evaluations", "steps"), [(1, [8]), (3, [3, 5, 8]), (20, [1, 2, 3, 4, 5, 6, 7, 8])])
def test_tests_are_spread_evenly_and_the_last_is_after_the_last_step(home, evaluations, steps):
    result = train(home, "hard", recipe=Recipe(**vars(SGD) | {"evaluations": evaluations}))[0]
    assert [point["step"] for point in result["curve"]] == steps


def test_a_result_says_what_it_is_of(home):
    results = train(home, "hard", seeds=2)
    about = {"dataset": "birds", "method": "two", "ipc": "2", "protocol": "hard", "student": "resnet8"}
    for seed, result in enumerate(results):
        assert result.items() >= (about | {"seed": seed, "steps": 8, "train_images": 6, "test_images": 21}).items()
        assert result["parameters"] == sum(p.numel() for p in build_classifier("resnet8", 3, SIDE).parameters())


def test_a_result_names_the_architecture_of_the_teacher_that_labelled(home):
    found = {kind: train(home, kind)[0]["teacher_arch"] for kind in ("hard", "static", "region", "online")}
    assert found == {"hard": None, "static": "resnet8", "region": "resnet8", "online": "resnet8"}


def test_evaluation_counts_by_hand_whatever_the_batch_and_leaves_the_module_as_it_was():
    pixels, labels = birds(VAL_COUNTS, seed=1)
    torch.manual_seed(0)
    module = build_classifier("resnet8", 3, SIDE).train()
    before = {name: tensor.clone() for name, tensor in module.state_dict().items()}
    images = ImageRows(pixels, torch.device("cpu"))
    measured = [evaluate(module, images, labels, batch) for batch in (4, 21)]
    assert measured[0] == measured[1]
    assert module.training
    assert equal(before, module.state_dict())
    right = logits_of(module.eval(), pixels).argmax(1).numpy() == labels
    assert measured[0]["top1"] == pytest.approx(right.mean())
    assert measured[0]["per_class"] == pytest.approx([right[labels == c].mean() for c in range(3)])
    taken_for = logits_of(module, pixels).argmax(1).numpy()
    assert measured[0]["confusion"] == [[((labels == c) & (taken_for == d)).sum() for d in range(3)] for c in range(3)]


def test_the_confusion_of_many_classes_is_left_out(monkeypatch):
    pixels, labels = birds(VAL_COUNTS, seed=1)
    monkeypatch.setattr(student_module, "MOST_CONFUSED", 2)
    images = ImageRows(pixels, torch.device("cpu"))
    assert evaluate(build_classifier("resnet8", 3, SIDE), images, labels)["confusion"] is None


def test_top5_is_measured_among_more_than_five_classes():
    pixels = birds((8, 8, 8), seed=1)[0]
    labels = np.arange(24) % 8
    torch.manual_seed(0)
    module = build_classifier("resnet8", 8, SIDE).eval()
    ranks = logits_of(module, pixels).argsort(1, descending=True).numpy()
    expected = np.mean([label in ranks[i, :5] for i, label in enumerate(labels)])
    assert 0 < expected < 1
    assert evaluate(module, ImageRows(pixels, torch.device("cpu")), labels)["top5"] == pytest.approx(expected)


def test_students_learn_what_can_be_learnt(home):
    views = ViewSettings(batch=18, crop=(1.0, 1.0), flip=False, cutmix=0.0, steps=30)
    result = train(home, "hard", name="full", views=views, recipe=Recipe(**vars(SGD) | {"lr": 0.05}))[0]
    assert result["last"]["top1"] > 0.8
    assert result["curve"][-1]["loss"] < result["curve"][0]["loss"] / 2


def test_a_loss_that_is_lost_stops_with_the_students_name(home):
    with pytest.raises(RetortError, match=r"two ipc 2 hard resnet8 seed 0: the loss is (nan|inf).*learning rate"):
        train(home, "hard", recipe=Recipe(**vars(SGD) | {"lr": 1e30}))


def test_a_teacher_of_another_class_order_is_refused(home, tmp_path):
    about = read_json(home / "teacher" / "teacher.json")
    (tmp_path / "model.safetensors").write_bytes((home / "teacher" / "model.safetensors").read_bytes())
    write_json(tmp_path / "teacher.json", about | {"classes": CLASSES[::-1]})
    with pytest.raises(RetortError, match="was trained for classes"):
        train(home, "online", teacher=tmp_path)
