"""Choosing from a generated pool: by what a teacher recognises, or to cover the pool."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from tests.helpers.tiny_models import CLASSES, SHAPE, SIDE, save_untrained_teacher, write_classes

from retort.base.errors import RetortError
from retort.base.seeds import derive_seed
from retort.base.tensors import open_tensors, write_tensors
from retort.methods.herding import herding
from retort.models.classifiers import normalised
from retort.models.pixels import to_images
from retort.models.teacher import load_teacher
from retort.parts.resolve import part_of
from retort.parts.selections import Seen
from retort.stages.sets.choose_from_pool import choose_from_pool

IPC, POOL = 3, 12
CONFIDENT = {"teacher": "judge", "keep": "confident", "teacher_input": "normalised"}


@pytest.fixture(scope="module")
def home(tmp_path_factory) -> Path:
    """classes.csv, a teacher, and a pool of twelve images a class, in whole.safetensors and in two shards."""
    folder = tmp_path_factory.mktemp("pool")
    write_classes(folder / "classes.csv", CLASSES)
    save_untrained_teacher(folder / "teacher", CLASSES)
    rng = np.random.default_rng(0)
    # Of differing brightness, so that an untrained network calls them different things.
    light = rng.uniform(0, 255, (4 * POOL, 1, 1, 3))
    pixels = np.clip(light + rng.normal(0, 40, (4 * POOL, SIDE, SIDE, 3)), 0, 255).astype(np.uint8)
    latents = rng.standard_normal((4 * POOL, *SHAPE)).astype(np.float32)
    write_pool(folder / "whole.safetensors", pixels, latents, range(4))
    write_pool(folder / "first.safetensors", pixels[:POOL], latents[:POOL], [0])
    write_pool(folder / "rest.safetensors", pixels[POOL:], latents[POOL:], [1, 2, 3])
    return folder


def write_pool(path: Path, pixels: np.ndarray, latents: np.ndarray, classes) -> None:
    labels = np.repeat(list(classes), POOL)
    index = np.tile(np.arange(POOL), len(classes))
    write_tensors(path, {"pixels": pixels, "latents": latents, "class_index": labels, "index": index})


def selection(select: dict, teacher: bool):
    """The part; a coverage is of what a teacher sees, or of latents."""
    space = {"teacher": "judge"} if teacher else {"encoder": "vae"}
    return part_of("selections", select | (space if "coverage" in select else {}))


def chosen(home: Path, select: dict, pool: str = "whole", teacher: bool = True, ipc: int = IPC, **changes):
    """The table of one shard's choice."""
    judge, settings = str(home / "teacher") if teacher else None, {"dataset": "toy", "seed": 0} | changes
    paths = (str(home / f"{pool}.safetensors"), judge, str(home / "classes.csv"), str(home / "chosen.csv"))
    choose_from_pool(*paths, select=selection(select, teacher), ipc=ipc, **settings)
    return pd.read_csv(home / "chosen.csv")


def probabilities(home: Path, normalise: bool = True) -> np.ndarray:
    """What the teacher says of the whole pool, (4, 12, 4) float64."""
    images = to_images(open_tensors(home / "whole.safetensors")["pixels"])
    with torch.no_grad():
        logits = load_teacher(home / "teacher", CLASSES)(normalised(images) if normalise else images)
    return torch.softmax(logits.double(), 1).numpy().reshape(4, POOL, 4)


def test_the_teachers_calls_are_of_several_classes(home):
    """What the tests below lean on."""
    calls = probabilities(home).argmax(2)
    right = (calls == np.arange(4)[:, None]).sum(1)
    assert (right >= IPC).any()
    assert (right < IPC).any()


@pytest.mark.parametrize("ipc", [1, IPC, POOL])
@pytest.mark.parametrize("teacher_input", ["normalised", "raw"])
@pytest.mark.parametrize(("keep", "sign"), [("confident", -1), ("uncertain", 1)])
def test_the_recognised_come_first_by_confidence_then_the_others(home, keep, sign, teacher_input, ipc):
    found = chosen(home, CONFIDENT | {"keep": keep, "teacher_input": teacher_input}, ipc=ipc)
    assert list(found.columns) == ["class_index", "index", "member", "correct", "confidence"]
    assert found["class_index"].tolist() == np.repeat(range(4), ipc).tolist()
    assert found["index"].tolist() == [*range(ipc)] * 4
    chances = probabilities(home, teacher_input == "normalised")
    for label, rows in found.groupby("class_index"):
        sure, right = chances[label].max(1), chances[label].argmax(1) == label
        expected = sorted(range(POOL), key=lambda m: (not right[m], sign * sure[m]))[:ipc]
        assert rows["member"].tolist() == expected
        assert rows["correct"].tolist() == right[expected].astype(int).tolist()
        np.testing.assert_allclose(rows["confidence"], sure[expected], atol=1e-5)


def test_raw_images_are_another_input(home):
    raw, usual = chosen(home, CONFIDENT | {"teacher_input": "raw"}), chosen(home, CONFIDENT)
    assert raw["member"].tolist() != usual["member"].tolist()


def test_wrong_ones_that_fill_are_marked_and_warned_of_by_class(home, capsys):
    found = chosen(home, CONFIDENT)
    wrong = IPC - found.groupby("class_index")["correct"].sum()
    short = wrong[wrong > 0]
    assert 0 < len(short) < 4
    told = capsys.readouterr().out
    assert told.startswith("warning: the teacher recognised too few of the pool")
    listed = ", ".join(f"{CLASSES[k]} ({n})" for k, n in short.items())
    assert f"had to fill {len(short)} classes: {listed}. They are" in told
    assert "marked correct = 0 in the manifest" in told


@pytest.mark.parametrize("teacher_input", ["normalised", "raw"])
def test_the_warning_names_images_without_normalisation_as_a_cause_where_they_are(home, capsys, teacher_input):
    found = chosen(home, CONFIDENT | {"teacher_input": teacher_input})
    assert not found["correct"].all()
    told = capsys.readouterr().out
    assert ("any other teacher needs select.teacher_input: normalised. A larger" in told) == (teacher_input == "raw")
    assert "A larger generate.pool, more guidance or a better model would help." in told


def test_without_wrong_ones_there_is_no_warning(home, capsys):
    recognised = (probabilities(home).argmax(2) == np.arange(4)[:, None]).sum(1)
    tensors = open_tensors(home / "whole.safetensors")
    label = int(recognised.argmax())
    kept = np.flatnonzero(tensors["class_index"] == label)
    write_pool(home / "easy.safetensors", tensors["pixels"][kept], tensors["latents"][kept], [label])
    found = chosen(home, CONFIDENT, pool="easy", ipc=1)
    assert found["correct"].tolist() == [1]
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize(
    ("select", "teacher"),
    [
        (CONFIDENT, True),
        ({"coverage": "herding"}, True),
        ({"coverage": "kmeans"}, True),
        ({"coverage": "kmeans"}, False),
        ({"coverage": "k-centre"}, True),
    ],
)
def test_the_choice_does_not_depend_on_the_shards(home, select, teacher):
    whole = chosen(home, select, teacher=teacher)
    parts = [chosen(home, select, pool, teacher=teacher) for pool in ("first", "rest")]
    pd.testing.assert_frame_equal(pd.concat(parts, ignore_index=True), whole, atol=2e-6)


@pytest.mark.parametrize("teacher", [False, True])
@pytest.mark.parametrize("coverage", ["herding", "kmeans", "k-centre"])
def test_a_pool_is_covered_in_latents_or_in_a_teachers_features(home, coverage, teacher):
    found = chosen(home, {"coverage": coverage}, teacher=teacher)
    assert list(found.columns) == ["class_index", "index", "member"]
    tensors, judge = open_tensors(home / "whole.safetensors"), load_teacher(home / "teacher", CLASSES)
    for label, rows in found.groupby("class_index"):
        members = slice(label * POOL, (label + 1) * POOL)
        features = tensors["latents"][members].reshape(POOL, -1)
        if teacher:
            with torch.no_grad():
                features = judge.features(normalised(to_images(tensors["pixels"][members]))).numpy()
        seed = derive_seed(0, "coverage", "toy", CLASSES[label]) % 2**31
        part = selection({"coverage": coverage}, teacher)
        assert rows["member"].tolist() == part.choose(Seen(features, None, label), IPC, seed).members
        assert rows["member"].nunique() == IPC
        assert rows["member"].between(0, POOL - 1).all()


def test_latents_and_features_are_covered_differently(home):
    by_latents, by_features = (chosen(home, {"coverage": "herding"}, teacher=t) for t in (False, True))
    assert by_latents["member"].tolist() != by_features["member"].tolist()


def test_herding_of_a_pool_is_of_its_own_class_alone(home):
    tensors = open_tensors(home / "whole.safetensors")
    found = chosen(home, {"coverage": "herding"}, teacher=False)
    by_hand = [herding(tensors["latents"][k * POOL : (k + 1) * POOL].reshape(POOL, -1), IPC) for k in range(4)]
    assert found["member"].tolist() == np.concatenate(by_hand).tolist()


def test_k_means_is_seeded_by_seed_and_data_set(home):
    select = {"coverage": "kmeans"}
    choices = [chosen(home, select, teacher=False, seed=s, dataset=d) for s in range(3) for d in ("toy", "other")]
    again = chosen(home, select, teacher=False)
    pd.testing.assert_frame_equal(again, choices[0])
    assert len({tuple(c["member"]) for c in choices}) > 1


@pytest.mark.parametrize("coverage", ["herding", "kmeans", "k-centre"])
def test_a_pool_that_cannot_be_covered_names_its_class(home, coverage):
    with pytest.raises(RetortError, match="class ant: 13 images are wanted of 12; lower ipc in runs"):
        chosen(home, {"coverage": coverage}, teacher=False, ipc=POOL + 1)


def test_a_teacher_of_other_classes_is_refused(home, tmp_path):
    save_untrained_teacher(tmp_path / "teacher", CLASSES[::-1])
    write_classes(tmp_path / "classes.csv", CLASSES)
    with pytest.raises(RetortError, match="was trained for classes"):
        chosen(tmp_path, CONFIDENT)
