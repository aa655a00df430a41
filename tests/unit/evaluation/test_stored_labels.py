"""Labels of a tiny made-up set: stored, online and static, whole and truncated, and files that do not fit."""

import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from tests.helpers.birds import CLASSES, EPOCHS, SGD, SIDE, STEPS, TEMPERATURE, label, make_home, train
from tests.helpers.fake_jobs import Named, Table, fake_job

from retort.artifacts.labels import shared_view_words, stamp_of_own
from retort.artifacts.sets import read_set
from retort.base.errors import RetortError
from retort.base.files import read_json, write_json
from retort.base.seeds import derive_seed
from retort.base.tensors import open_tensors, read_metadata, write_tensors
from retort.data.elsewhere.own_labels import as_logits
from retort.evaluation.augment import apply_views
from retort.evaluation.labels import Top
from retort.evaluation.losses import hard_loss, mixed_targets, soft_target_loss
from retort.evaluation.student import Recipe
from retort.evaluation.views import Views, ViewSettings, plan_views
from retort.models.classifiers import build_classifier, normalised
from retort.models.pixels import to_images
from retort.models.teacher import load_teacher, logits_of, save_teacher
from retort.running.call import call
from retort.stages.evaluation.train_students import Labelling


@pytest.fixture(scope="module")
def home(tmp_path_factory) -> Path:
    return make_home(tmp_path_factory.mktemp("birds"))


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
        recorded = Views(*parts, np.array(stored["cut"][step]))
        with torch.no_grad():
            logits = teacher(normalised(apply_views(to_images(pixels[recorded.rows]), recorded)))
        np.testing.assert_allclose(stored["logits"][place], logits, rtol=1e-3, atol=1e-3)
        planned = plan_views(STEPS, 6, SIDE, step, shared_view_words(0, "birds"))
        assert all(np.array_equal(getattr(recorded, name), getattr(planned, name)) for name in vars(planned))
    assert stored["logits"].std() > 0.5  # a teacher that says something
    assert len(np.unique(stored["cut"], axis=0)) > 4


def test_static_labels_are_the_teachers_on_the_images_themselves(home):
    pixels, _ = read_set(home / "two", home / "train.safetensors")
    stored = open_tensors(home / "static.safetensors")
    assert list(stored) == ["logits"]
    expected = logits_of(load_teacher(home / "teacher", CLASSES), pixels)
    np.testing.assert_allclose(stored["logits"], expected, rtol=1e-3, atol=1e-3)


def test_the_rule_labels_static_sets_which_have_no_views(home, tmp_path):
    paths = {"distilled": home / "two", "class_table": home / "classes.csv", "teacher": home / "teacher"}
    settings = {"kind": "static", "dataset": "birds", "seed": 0, "precision": "float32"}
    snakemake = fake_job(
        tmp_path / "relabel.log",
        "relabel_set",
        threads=torch.get_num_threads(),
        input=Named(**paths),
        output=Named(labels=tmp_path / "labels.safetensors"),
        params=Table(code="relabel_set 0", views=None, top=None, **settings),
    )
    call(snakemake)
    expected = open_tensors(home / "static.safetensors")["logits"]
    np.testing.assert_array_equal(open_tensors(tmp_path / "labels.safetensors")["logits"], expected)


def first_step(home: Path, own: bool) -> tuple[torch.Tensor, Views, np.ndarray]:
    """Logits, views and labels of student 0 at step 0, made from the pieces; by its own or the shared views."""
    pixels, labels = read_set(home / "two", home / "train.safetensors")
    words = (0, "views", "birds", 0) if own else shared_view_words(0, "birds")
    planned = plan_views(STEPS, 6, SIDE, 0, words)
    torch.manual_seed(derive_seed(0, "student", "birds", "resnet8", 0))
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
    expected = hard_loss(logits, targets, targets[partners], planned.kept(SIDE)).item()
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


def brought(home: Path, path: Path, logits: np.ndarray, name: str = "two") -> Path:
    """A file of labels that the set brought, as `import_labels` writes it."""
    write_tensors(path, {"logits": logits.astype(np.float32)}, stamp_of_own(*read_set(home / name, None)))
    return path


def test_own_labels_train_the_students_that_static_ones_of_the_same_logits_train(home, tmp_path):
    stored = np.array(open_tensors(home / "static.safetensors")["logits"])
    own = train(home, "own", labels=brought(home, tmp_path / "own.safetensors", stored), seeds=2)
    static = train(home, "static", seeds=2)
    for one, other in zip(own, static, strict=True):
        assert one["teacher_arch"] is None
        assert one["curve"] == other["curve"]
        assert one["last"] == other["last"]


def test_the_loss_of_own_probabilities_at_temperature_1_is_the_divergence_from_them(home, tmp_path):
    chances = np.random.default_rng(4).dirichlet([0.3] * 3, 6)
    chances[0] = [0, 1, 0]
    logits = np.stack([as_logits(row, "probabilities", range(3))[0] for row in chances])
    path = brought(home, tmp_path / "own.safetensors", logits)
    recipe, labelling = Recipe(**vars(SGD) | {"evaluations": STEPS.steps}), Labelling("own", 1.0, str(path))
    found = train(home, "own", recipe=recipe, labelling=labelling)[0]["curve"][0]["loss"]
    given, planned, _ = first_step(home, own=True)
    kept, own = planned.kept(SIDE), torch.from_numpy(chances)[planned.rows]
    targets = kept * own + (1 - kept) * own[torch.from_numpy(planned.partners).long()]
    terms = torch.where(targets > 0, targets * (targets.clamp(min=1e-30).log() - given.double().log_softmax(1)), 0)
    assert found == pytest.approx(terms.sum(1).mean().item(), rel=1e-4)


def test_own_labels_of_another_set_are_refused(home, tmp_path):
    path = brought(home, tmp_path / "own.safetensors", np.zeros((6, 3)), name="other")
    with pytest.raises(RetortError, match="holds labels of another distilled set"):
        train(home, "own", labels=path)


# ---------------------------------------------------------------- label files that do not fit


@pytest.mark.parametrize("name", ["three", "other"])  # of another size, and of the same with other images
@pytest.mark.parametrize("kind", ["region", "static"])
def test_labels_of_another_set_are_refused(home, kind, name):
    with pytest.raises(RetortError, match=rf"{kind}\.safetensors holds labels of another distilled set"):
        train(home, kind, name=name)


@pytest.mark.parametrize("change", [{"steps": 9}, {"batch": 3}, {"crop": (0.5, 1.0)}, {"flip": False}, {"cutmix": 0.0}])
def test_labels_of_other_views_are_refused(home, change):
    with pytest.raises(RetortError, match="holds labels of other views"):
        train(home, "region", views=ViewSettings(**vars(STEPS) | change))


def test_labels_of_another_kind_are_refused(home):
    with pytest.raises(RetortError, match="of other views"):
        train(home, "region", labels=home / "static.safetensors")
    with pytest.raises(RetortError, match="of other views"):
        train(home, "static", labels=home / "region.safetensors")


@pytest.mark.parametrize("kind", ["region", "static"])
@pytest.mark.parametrize("lost", [1, 100_000])
def test_truncated_labels_are_refused(home, tmp_path, kind, lost):
    whole = (home / f"{kind}.safetensors").read_bytes()
    (tmp_path / "labels.safetensors").write_bytes(whole[: max(4, len(whole) - lost)])
    with pytest.raises(RetortError, match=r"labels\.safetensors is not a whole safetensors file"):
        train(home, kind, labels=tmp_path / "labels.safetensors")


def test_labels_for_lists_and_tuples_of_crops_are_the_same(home):
    """The config comes to the jobs as JSON, with lists."""
    listed = ViewSettings(**vars(STEPS) | {"crop": [0.4, 1.0]})
    assert train(home, "region", views=listed)[0] == train(home, "region")[0]
    stamp = {"distilled set", "teacher", "views", "kept", "precision"}
    assert set(read_metadata(home / "region.safetensors")) == stamp | {"label bytes", "view bytes"}


@pytest.mark.parametrize("kind", ["region", "static"])
@pytest.mark.parametrize("file", ["model.safetensors", "teacher.json"])
def test_labels_of_another_teacher_are_refused(home, tmp_path, kind, file):
    shutil.copytree(home / "teacher", tmp_path / "teacher")
    if file == "teacher.json":
        about = read_json(tmp_path / "teacher" / file)
        write_json(tmp_path / "teacher" / file, about | {"mean": [0.4, 0.4, 0.4]})
    else:
        torch.manual_seed(1)
        save_teacher(build_classifier("resnet8", 3, SIDE), tmp_path / "teacher", "resnet8", CLASSES, SIDE)
    with pytest.raises(RetortError, match=rf"{kind}\.safetensors holds labels of another teacher"):
        train(home, kind, teacher=tmp_path / "teacher")


@pytest.mark.parametrize("asked", [None, Top(2, TEMPERATURE), Top(1, 20.0)])
def test_labels_of_which_something_else_was_kept_are_refused(home, tmp_path, asked):
    stored = label(home, "two", "region", STEPS, tmp_path / "labels.safetensors", Top(1, TEMPERATURE))
    with pytest.raises(RetortError, match="holds labels of which something else was kept"):
        train(home, "region", labels=stored, top=asked)


# ---------------------------------------------------------------- the highest logits only


@pytest.mark.parametrize("kind", ["region", "static"])
def test_the_highest_of_all_classes_are_all_classes(home, tmp_path, kind):
    top = Top(3, TEMPERATURE)
    stored = label(home, "two", kind, STEPS if kind == "region" else None, tmp_path / "labels.safetensors", top)
    whole, kept = open_tensors(home / f"{kind}.safetensors"), open_tensors(stored)
    assert list(kept) == list(whole)
    assert all(np.array_equal(kept[name], whole[name]) for name in whole)
    assert train(home, kind, labels=stored, top=top) == train(home, kind)


def test_stored_and_online_labels_of_the_highest_logits_train_the_same_students(home, tmp_path):
    top = Top(1, TEMPERATURE)
    stored = label(home, "two", "region", STEPS, tmp_path / "labels.safetensors", top)
    (one,), (twin,) = train(home, "region", labels=stored, top=top), train(home, "online", top=top)
    assert [point["loss"] for point in one["curve"]] == pytest.approx([p["loss"] for p in twin["curve"]], rel=1e-6)
    assert one["last"] == twin["last"]
    assert one["curve"] != train(home, "region")[0]["curve"]  # something was left out


def test_the_loss_of_the_highest_logits_is_within_the_stated_error_of_that_of_all(home, tmp_path):
    top = Top(1, TEMPERATURE)
    stored = label(home, "two", "region", STEPS, tmp_path / "labels.safetensors", top)
    recipe = Recipe(**vars(SGD) | {"evaluations": STEPS.steps})
    losses = [train(home, "region", labels=f, top=t, recipe=recipe)[0] for f, t in ((stored, top), (None, None))]
    difference = abs(losses[0]["curve"][0]["loss"] - losses[1]["curve"][0]["loss"])
    teacher = np.sort(np.array(open_tensors(home / "region.safetensors")["logits"][:4], dtype=np.float64)) / TEMPERATURE
    student = first_step(home, own=False)[0].double().numpy() / TEMPERATURE
    others = np.exp(teacher[:, :2]).sum(axis=1) / np.exp(teacher).sum(axis=1)
    spread = teacher[:, 1] - teacher[:, 0]
    assert 0 < difference <= (others * (spread**2 / 8 + spread * np.ptp(student, axis=1) / 4)).mean() + 1e-6


def test_static_labels_of_the_highest_logits_are_trained_on(home, tmp_path):
    top = Top(1, TEMPERATURE)
    stored = label(home, "two", "static", None, tmp_path / "labels.safetensors", top)
    assert {name: a.shape for name, a in open_tensors(stored).items()} == {
        "logits": (6, 1),
        "classes": (6, 1),
        "rest": (6,),
    }
    few, all_of_it = train(home, "static", labels=stored, top=top)[0], train(home, "static")[0]
    assert few["curve"] != all_of_it["curve"]
    assert few["curve"][0]["loss"] == pytest.approx(all_of_it["curve"][0]["loss"], abs=0.1)


@pytest.mark.parametrize(("top", "each"), [(None, 3 * 2), (Top(1, TEMPERATURE), 2 + 2 + 4)])
def test_the_size_of_labels_is_recorded_and_reported(home, tmp_path, capsys, top, each):
    stored = label(home, "two", "region", STEPS, tmp_path / "labels.safetensors", top)
    about = read_metadata(stored)
    assert int(about["label bytes"]) == 32 * each
    header = 8 + int.from_bytes(stored.read_bytes()[:8], "little")
    assert stored.stat().st_size == header + int(about["label bytes"]) + int(about["view bytes"])
    assert int(about["view bytes"]) == 32 * (4 + 16 + 1 + 4) + 8 * 4 * 2
    assert f"32 labels of 3 classes: {32 * each:,} bytes ({each / 6:.1%} of all" in capsys.readouterr().out


@pytest.mark.parametrize("more", [{"cutmix": 1.0}, {"cutmix": 0.0, "mixup": 0.8}], ids=["cutmix", "mixup"])
def test_stored_and_online_labels_agree_under_every_augmentation(home, tmp_path, more):
    views = ViewSettings(**vars(STEPS) | {"jitter": 0.4, "lighting": 0.1, "shuffle": 2} | more)
    stored = label(home, "two", "region", views, tmp_path / "labels.safetensors")
    assert open_tensors(stored)["strips"].dtype == np.int8
    (one,), (twin,) = train(home, "region", views=views, labels=stored), train(home, "online", views=views)
    assert [point["loss"] for point in one["curve"]] == pytest.approx([p["loss"] for p in twin["curve"]], rel=1e-6)
    assert one["last"] == twin["last"]
