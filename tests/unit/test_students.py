"""Students on a tiny made-up set: every kind of label, what is recorded, and what must not change a result."""

import runpy
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from retort.data.files import read_json, write_json, write_rows
from retort.data.tensors import open_tensors, read_metadata, write_tensors
from retort.errors import RetortError
from retort.models.classifiers import build_classifier, normalised
from retort.models.pixels import to_images
from retort.models.teacher import load_teacher, logits_of, save_teacher, train_teacher
from retort.protocols import student as student_module
from retort.protocols.losses import hard_loss, mixed_targets, soft_target_loss
from retort.protocols.student import ImageSet, Recipe, evaluate
from retort.protocols.views import Views, ViewSettings, apply_views, plan_views
from retort.stages.distilled import read_set
from retort.stages.relabel import relabel, shared_view_words
from retort.stages.train_students import Labelling, train_students
from retort.stages.write_set import write_set

SIDE, CLASSES = 8, ["wren", "robin", "finch"]
VAL_COUNTS = (4, 7, 10)  # unequal, so that a mean over classes is not the mean over images
STEPS = ViewSettings(batch=4, crop=(0.4, 1.0), flip=True, cutmix=1.0, steps=8)
EPOCHS = ViewSettings(batch=4, crop=(0.4, 1.0), flip=True, cutmix=1.0, epochs=3)
SGD = Recipe(kind="sgd", lr=0.02, momentum=0.9, weight_decay=5e-4, schedule="milestones", evaluations=4)
ADAMW = Recipe(kind="adamw", lr=2e-3, momentum=0.9, weight_decay=0.01, schedule="half-cosine", evaluations=4)
TEMPERATURE = 4.0


def birds(counts: tuple[int, ...], seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Noise with a brighter colour channel per class, classes one after the other."""
    rng = np.random.default_rng(seed)
    labels = np.repeat(np.arange(len(counts)), counts)
    pixels = rng.integers(0, 120, (len(labels), SIDE, SIDE, 3), dtype=np.uint8)
    pixels[np.arange(len(labels)), ..., labels] += 60
    return pixels, labels


@pytest.fixture(scope="module")
def home(tmp_path_factory) -> Path:
    """train and val pixels, classes.csv, a teacher, and the sets "two" (also "other"), "three" and "full"."""
    folder = tmp_path_factory.mktemp("birds")
    train, labels = birds((6, 6, 6), seed=0)
    write_tensors(folder / "train.safetensors", {"pixels": train, "labels": labels})
    val, val_labels = birds(VAL_COUNTS, seed=1)
    write_tensors(folder / "val.safetensors", {"pixels": val, "labels": val_labels})
    (folder / "classes.csv").write_text("index,id,name\n" + "".join(f"{i},{c},{c}\n" for i, c in enumerate(CLASSES)))
    for name, members in {"two": (0, 1), "other": (3, 4), "three": (0, 1, 2), "full": range(6)}.items():
        rows = [
            {"class_index": label, "index": i, "row": 6 * label + member, "image_id": f"{label}/{member}"}
            for label in range(3)
            for i, member in enumerate(members)
        ]
        write_rows(folder / f"{name}.csv", list(rows[0]), rows)
        save_set(folder, name, name, copy=name != "full")
    settings = {"steps": 15, "batch": 12, "lr": 0.01, "weight_decay": 0.01}
    still = {"rotate": 0.0, "scale": 0.0, "shift": 0.0, "flip": False}
    teacher = train_teacher(train, labels, "resnet8", (0, "teacher"), **settings, **still)
    (folder / "teacher").mkdir()
    save_teacher(teacher, folder / "teacher", "resnet8", CLASSES, SIDE)
    for kind, views in (("region", STEPS), ("static", None)):
        label(folder, "two", kind, views, folder / f"{kind}.safetensors")
    return folder


def save_set(home: Path, selection: str, name: str, copy: bool) -> None:
    table, train = str(home / "classes.csv"), str(home / "train.safetensors")
    about = {"dataset": "birds", "method": name, "ipc": "2"}
    write_set(table, train, [str(home / f"{selection}.csv")], [], [], [], str(home / name), copy=copy, about=about)


def label(home: Path, name: str, kind: str, views: ViewSettings | None, output: Path) -> Path:
    paths = [home / name, home / "train.safetensors", home / "classes.csv", home / "teacher", output]
    relabel(*map(str, paths), kind=kind, views=views, dataset="birds", seed=0)
    return output


def train(
    home: Path,
    kind: str,
    name: str = "two",
    views: ViewSettings = STEPS,
    seeds: int = 1,
    labels: Path | None = None,
    **changes,
) -> list[dict]:
    """What is recorded of the students of one set; without their seconds, which nothing fixes."""
    stored = str(labels or home / f"{kind}.safetensors") if kind in ("region", "static") else None
    settings = {
        "about": {"dataset": "birds", "method": name, "ipc": "2", "protocol": kind, "student": "resnet8"},
        "arch": "resnet8",
        "views": views,
        "recipe": SGD if kind == "hard" else ADAMW,
        "labelling": Labelling(kind, TEMPERATURE, stored, str(home / "teacher") if kind == "online" else None),
        "dataset": "birds",
        "seed": 0,
    }
    outputs = [str(home / "students" / f"{i}.json") for i in range(seeds)]
    paths = [home / name, home / "train.safetensors", home / "val.safetensors", home / "classes.csv"]
    train_students(*map(str, paths), outputs, **settings | changes)
    results = [read_json(path) for path in outputs]
    assert all(result.pop("seconds") > 0 for result in results)
    return results


# ---------------------------------------------------------------- stored, online and static labels


@pytest.mark.parametrize("views", [STEPS, EPOCHS], ids=["steps", "epochs"])
def test_stored_and_online_labels_train_the_same_students(home, tmp_path, views):
    stored = label(home, "two", "region", views, tmp_path / "labels.safetensors")
    region = train(home, "region", views=views, seeds=2, labels=stored)
    online = train(home, "online", views=views, seeds=2)
    for one, other in zip(region, online, strict=True):
        assert one["steps"] == other["steps"] == (8 if views is STEPS else 6)
        for point, twin in zip(one["curve"], other["curve"], strict=True):
            assert point == pytest.approx(twin, rel=1e-6)
        assert one["last"] == other["last"]
        assert one["best"] == other["best"]
    assert region[0]["curve"] != region[1]["curve"]  # the students themselves differ


def test_stored_logits_are_the_teachers_on_the_recorded_views(home):
    pixels, _ = read_set(home / "two", home / "train.safetensors")
    stored, teacher = open_tensors(home / "region.safetensors"), load_teacher(home / "teacher", CLASSES)
    assert stored["logits"].shape == (8 * 4, 3)
    assert stored["logits"].dtype == np.float16
    for step in range(8):
        place = slice(4 * step, 4 * step + 4)
        parts = (np.array(stored[name][place]) for name in ("rows", "boxes", "flips", "partners"))
        recorded = Views(*parts, np.array(stored["cuts"][step]))
        with torch.no_grad():
            logits = teacher(normalised(apply_views(to_images(pixels[recorded.rows]), recorded)))
        np.testing.assert_allclose(stored["logits"][place], logits, rtol=1e-3, atol=1e-3)
        planned = plan_views(STEPS, 6, SIDE, step, shared_view_words(0, "birds"))
        assert all(np.array_equal(getattr(recorded, name), getattr(planned, name)) for name in vars(planned))
    assert stored["logits"].std() > 0.5  # a teacher that says something
    assert len(np.unique(stored["cuts"], axis=0)) > 4


def test_static_labels_are_the_teachers_on_the_images_themselves(home):
    pixels, _ = read_set(home / "two", home / "train.safetensors")
    stored = open_tensors(home / "static.safetensors")
    assert list(stored) == ["logits"]
    expected = logits_of(load_teacher(home / "teacher", CLASSES), pixels)
    np.testing.assert_allclose(stored["logits"], expected, rtol=1e-3, atol=1e-3)


def test_the_rules_script_labels_static_sets_which_have_no_views(home, tmp_path):
    paths = {"distilled": home / "two", "train": home / "train.safetensors"}
    paths |= {"classes": home / "classes.csv", "teacher": home / "teacher"}
    snakemake = SimpleNamespace(
        rule="relabel_set",
        threads=torch.get_num_threads(),
        log=[tmp_path / "relabel.log"],
        input=SimpleNamespace(**{name: str(path) for name, path in paths.items()}),
        output=SimpleNamespace(labels=str(tmp_path / "labels.safetensors")),
        params=SimpleNamespace(kind="static", views=None, dataset="birds", seed=0),
    )
    script = Path(student_module.__file__).parents[2] / "scripts" / "relabel_set.py"
    runpy.run_path(str(script), {"snakemake": snakemake})
    expected = open_tensors(home / "static.safetensors")["logits"]
    np.testing.assert_array_equal(open_tensors(tmp_path / "labels.safetensors")["logits"], expected)


def first_step(home: Path, own: bool) -> tuple[torch.Tensor, Views, np.ndarray]:
    """Logits, views and labels of student 0 at step 0, made from the pieces; by its own or the shared views."""
    pixels, labels = read_set(home / "two", home / "train.safetensors")
    words = (0, "views", "birds", 0) if own else shared_view_words(0, "birds")
    planned = plan_views(STEPS, 6, SIDE, 0, words)
    torch.manual_seed(student_module.derive_seed(0, "student", "birds", "resnet8", 0))
    module = build_classifier("resnet8", 3, SIDE)
    with torch.no_grad():
        return module(normalised(apply_views(to_images(pixels[planned.rows]), planned))), planned, labels


def first_loss(home: Path, kind: str) -> float:
    recipe = Recipe(**vars(SGD) | {"evaluations": STEPS.steps})  # tested after every step, so the curve has each loss
    return train(home, kind, recipe=recipe)[0]["curve"][0]["loss"]


def test_the_loss_of_hard_labels_is_that_of_the_classes_of_both_mixed_images(home):
    logits, planned, labels = first_step(home, own=True)
    targets, partners = torch.from_numpy(labels[planned.rows]), torch.from_numpy(planned.partners).long()
    assert 0 < planned.kept(SIDE) < 1
    expected = hard_loss(logits, targets, partners, planned.kept(SIDE)).item()
    assert first_loss(home, "hard") == pytest.approx(expected, rel=1e-4)


def test_the_loss_of_static_labels_is_that_of_the_mixture_of_both_images_labels(home):
    logits, planned, _ = first_step(home, own=True)
    stored = torch.from_numpy(np.array(open_tensors(home / "static.safetensors")["logits"])).float()
    partners = torch.from_numpy(planned.partners).long()
    targets = mixed_targets(stored[planned.rows], partners, planned.kept(SIDE), TEMPERATURE)
    expected = soft_target_loss(logits, targets, TEMPERATURE).item()
    assert first_loss(home, "static") == pytest.approx(expected, rel=1e-4)


def test_the_loss_of_region_labels_is_the_divergence_from_the_stored_logits(home):
    logits, _, _ = first_step(home, own=False)
    stored = torch.from_numpy(np.array(open_tensors(home / "region.safetensors")["logits"][:4])).float()
    q, p = (logits / TEMPERATURE).softmax(1), (stored / TEMPERATURE).softmax(1)
    expected = (p * (p / q).log()).sum(1).mean().item()
    assert first_loss(home, "region") == pytest.approx(expected, rel=1e-3)


# ---------------------------------------------------------------- label files that do not fit


@pytest.mark.parametrize("name", ["three", "other"])  # of another size, and of the same with other images
@pytest.mark.parametrize("kind", ["region", "static"])
def test_labels_of_another_set_are_refused(home, kind, name):
    with pytest.raises(RetortError, match=rf"{kind}\.safetensors holds labels for another distilled set"):
        train(home, kind, name=name)


@pytest.mark.parametrize("change", [{"steps": 9}, {"batch": 3}, {"crop": (0.5, 1.0)}, {"flip": False}, {"cutmix": 0.0}])
def test_labels_of_other_views_are_refused(home, change):
    with pytest.raises(RetortError, match="holds labels for another views"):
        train(home, "region", views=ViewSettings(**vars(STEPS) | change))


def test_labels_of_another_kind_are_refused(home):
    with pytest.raises(RetortError, match="another views"):
        train(home, "region", labels=home / "static.safetensors")
    with pytest.raises(RetortError, match="another views"):
        train(home, "static", labels=home / "region.safetensors")


@pytest.mark.parametrize("kind", ["region", "static"])
@pytest.mark.parametrize("lost", [1, 100_000])
def test_truncated_labels_are_refused(home, tmp_path, kind, lost):
    whole = (home / f"{kind}.safetensors").read_bytes()
    (tmp_path / "labels.safetensors").write_bytes(whole[: max(4, len(whole) - lost)])
    with pytest.raises(RetortError, match=r"labels\.safetensors is not a whole safetensors file"):
        train(home, kind, labels=tmp_path / "labels.safetensors")


def test_labels_for_lists_and_tuples_of_crops_are_the_same(home):
    """The config comes to the scripts as JSON, with lists."""
    listed = ViewSettings(**vars(STEPS) | {"crop": [0.4, 1.0]})
    assert train(home, "region", views=listed)[0] == train(home, "region")[0]
    assert set(read_metadata(home / "region.safetensors")) == {"distilled set", "views"}


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


def test_another_set_trains_another_student(home):
    assert train(home, "hard")[0]["curve"] != train(home, "hard", name="other")[0]["curve"]


def test_the_full_set_read_from_the_split_trains_as_its_copied_images_do(home):
    save_set(home, "full", "copied", copy=True)
    mapped, copied = (train(home, "hard", name=name)[0] for name in ("full", "copied"))
    assert mapped.pop("method") != copied.pop("method")
    assert mapped == copied
    assert mapped["train_images"] == 18


# ---------------------------------------------------------------- what is recorded


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


def test_evaluation_counts_by_hand_whatever_the_batch_and_leaves_the_module_as_it_was():
    pixels, labels = birds(VAL_COUNTS, seed=1)
    torch.manual_seed(0)
    module = build_classifier("resnet8", 3, SIDE).train()
    before = {name: tensor.clone() for name, tensor in module.state_dict().items()}
    measured = [evaluate(module, ImageSet(pixels, labels), batch) for batch in (4, 21)]
    assert measured[0] == measured[1]
    assert module.training
    assert equal(before, module.state_dict())
    right = logits_of(module.eval(), pixels).argmax(1).numpy() == labels
    assert measured[0]["top1"] == pytest.approx(right.mean())
    assert measured[0]["per_class"] == pytest.approx([right[labels == c].mean() for c in range(3)])


def test_top5_is_measured_among_more_than_five_classes():
    pixels = birds((8, 8, 8), seed=1)[0]
    labels = np.arange(24) % 8
    torch.manual_seed(0)
    module = build_classifier("resnet8", 8, SIDE).eval()
    ranks = logits_of(module, pixels).argsort(1, descending=True).numpy()
    expected = np.mean([label in ranks[i, :5] for i, label in enumerate(labels)])
    assert 0 < expected < 1
    assert evaluate(module, ImageSet(pixels, labels))["top5"] == pytest.approx(expected)


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
        train(home, "online", labelling=Labelling("online", TEMPERATURE, None, str(tmp_path)))
