"""How networks learn the training images: trained by epochs, recorded in one pass, and images chosen by it."""

from itertools import pairwise
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from safetensors.torch import load_file, save_file
from tests.helpers.tiny_models import read, write_classes

from retort.artifacts.dynamics import class_lessons, epoch_directory, has_lessons
from retort.base.errors import RetortError
from retort.base.tensors import write_tensors
from retort.data.manifest import ClassEntry, write_manifest
from retort.models.epoch_training import trained_by_epochs
from retort.models.teacher import features_and_logits, load_teacher
from retort.models.training_state import Checkpoint
from retort.parts.resolve import part_of
from retort.stages.models import train_dynamics as train_stage
from retort.stages.models.train_dynamics import train_dynamics
from retort.stages.sets.select_by_features import select_by_features
from retort.stages.shared import record_dynamics as record_stage
from retort.stages.shared.record_dynamics import record_dynamics

IDS, SIDE, EPOCHS, PER_CLASS = ["wren", "robin", "finch"], 8, 4, 30
PLANTED = [31, 40, 59]  # images of robins, of which each shows a finch
RECIPE = {"batch": 15, "lr": 0.01, "weight_decay": 0.01, "precision": "float32"}
CHANGES = {"rotate": 0.0, "scale": 0.0, "shift": 0.0, "flip": True, "crop": None}


def squares(per_class: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Noise with a bright colour channel per class, class by class: easy to learn."""
    rng = np.random.default_rng(seed)
    labels = np.repeat(np.arange(3), per_class)
    pixels = rng.integers(0, 100, (len(labels), SIDE, SIDE, 3), dtype=np.uint8)
    pixels[np.arange(len(labels)), ..., labels] += 110
    return pixels, labels


class Home:
    """A folder with splits, a manifest, and two trainings with their record, of which one of the images is wrong."""

    def __init__(self, folder: Path):
        self.folder = folder
        pixels, labels = squares(PER_CLASS, 0)
        pixels[PLANTED] = pixels[[row + PER_CLASS for row in PLANTED]]
        held, held_labels = squares(20, 1)
        write_tensors(folder / "train.safetensors", {"pixels": pixels, "labels": labels})
        write_tensors(folder / "val.safetensors", {"pixels": held, "labels": held_labels})
        write_classes(folder / "classes.csv", IDS)
        rows = [
            {"split": "train", "path": f"{i}.png", "class_id": IDS[k], "class_name": IDS[k], "class_index": k}
            | {"image_id": f"{IDS[k]}/{i}.png", "width": SIDE, "height": SIDE}
            for i, k in enumerate(labels)
        ]
        entries = [ClassEntry(i, c, c) for i, c in enumerate(IDS)]
        write_manifest(pd.DataFrame(rows), entries, folder / "manifest.parquet", folder / "again.csv")
        for run in (0, 1):
            self.train(folder / f"run{run}", run)
        self.record(folder / "all.safetensors", [0, 1, 2])

    def path(self, name: str) -> str:
        return str(self.folder / name)

    def train(self, output: Path, run: int, state: str = "state", **changes) -> None:
        checkpoint = Checkpoint(self.folder / f"{state}.safetensors", "this", seconds=0)
        about = {"name": "lessons", "run": run, "arch": "resnet8", "epochs": EPOCHS, "until": EPOCHS, "seed": 0}
        about |= {"settings": RECIPE | CHANGES} | changes
        inputs = [self.path(name) for name in ("train.safetensors", "val.safetensors", "classes.csv")]
        train_dynamics(*inputs, str(output), checkpoint, **about)

    def record(self, output: Path, labels: list[int], runs=("run0", "run1"), recorded: int = EPOCHS) -> dict:
        inputs = [list(map(self.path, runs)), self.path("train.safetensors"), self.path("classes.csv")]
        record_dynamics(*inputs, str(output), class_indices=labels, recorded=recorded)
        return read(output)

    def select(self, score, labels=(0, 1, 2), shard: str = "all", **keys) -> pd.DataFrame:
        select = part_of("selections", {"score": score, "dynamics": "lessons"} | keys)
        output = self.path("selection.csv")
        inputs = [self.path("manifest.parquet"), self.path("classes.csv"), self.path(f"{shard}.safetensors"), output]
        select_by_features(*inputs, class_indices=list(labels), select=select, ipc=3, dataset="birds", seed=0)
        return pd.read_csv(output)


@pytest.fixture(scope="module")
def home(tmp_path_factory) -> Home:
    return Home(tmp_path_factory.mktemp("dynamics"))


def content(folder: Path) -> dict[str, bytes]:
    return {file.relative_to(folder).as_posix(): file.read_bytes() for file in folder.rglob("*") if file.is_file()}


# ---------------------------------------------------------------- the training


def test_the_network_after_each_epoch_is_kept_as_a_teacher_is(home):
    folders = sorted(folder.name for folder in (home.folder / "run0").iterdir())
    assert folders == [f"epoch000{epoch}" for epoch in range(1, EPOCHS + 1)]
    networks = [load_teacher(epoch_directory(home.folder / "run0", epoch), IDS) for epoch in range(1, EPOCHS + 1)]
    heads = [network.network.head.weight for network in networks]
    assert all(not torch.equal(*two) for two in pairwise(heads))
    assert not (home.folder / "state.safetensors").exists()
    assert not (home.folder / "state").exists()


def test_an_epoch_sees_every_image_once(monkeypatch):
    pixels, labels = squares(7, 0)
    pixels[:, 0, 0, 0] = np.arange(21)
    seen, handed = [], []
    from retort.models import augmentation

    through = augmentation.to_images
    monkeypatch.setattr(augmentation, "to_images", lambda rows: seen.append(rows[:, 0, 0, 0].tolist()) or through(rows))
    length = {"epochs": 3, "until": 2}
    recipe = RECIPE | CHANGES | {"batch": 8}
    trained_by_epochs(
        pixels, labels, "resnet8", ("x",), lambda epoch, _: handed.append((epoch, len(seen))), **length, **recipe
    )
    assert [len(batch) for batch in seen] == [7] * 6
    epochs = [[row for batch in part for row in batch] for part in (seen[:3], seen[3:])]
    assert [sorted(epoch) for epoch in epochs] == [list(range(21))] * 2
    assert epochs[0] != epochs[1]
    assert handed == [(1, 3), (2, 6)]


def test_a_training_that_ends_sooner_is_the_beginning_of_the_longer_one(home, tmp_path):
    home.train(tmp_path / "short", 0, "short", until=2)
    short, long = content(tmp_path / "short"), content(home.folder / "run0")
    assert short == {name: long[name] for name in short}
    assert {name.split("/")[0] for name in short} == {"epoch0001", "epoch0002"}


def test_runs_differ_in_their_seeds(home):
    first, second = content(home.folder / "run0"), content(home.folder / "run1")
    weights = [name for name in first if name.endswith("model.safetensors")]
    assert len(weights) == EPOCHS
    assert all(first[name] != second[name] for name in weights)


class Interrupted(Exception):
    """What a killed job looks like from inside."""


@pytest.mark.parametrize("step", [1, 6, 7, 15])
def test_a_training_that_was_stopped_goes_on_to_the_same_bits(home, tmp_path, monkeypatch, step):
    """Six steps an epoch: within an epoch, at the end of one, and just after."""
    from retort.models import augmentation

    through, made = augmentation.to_images, []

    def until(rows):
        if len(made) == step:
            raise Interrupted
        made.append(1)
        return through(rows)

    with monkeypatch.context() as patch:
        patch.setattr(augmentation, "to_images", until)
        with pytest.raises(Interrupted):
            home.train(tmp_path / "again", 0, f"stopped{step}")
    assert not (tmp_path / "again").exists()
    home.train(tmp_path / "again", 0, f"stopped{step}")
    assert content(tmp_path / "again") == content(home.folder / "run0")


def test_networks_that_wait_and_are_gone_are_said_to_be_gone(home, tmp_path, monkeypatch):
    with monkeypatch.context() as patch:
        patch.setattr(train_stage, "measured", lambda *given: (_ for _ in ()).throw(Interrupted))
        with pytest.raises(Interrupted):
            home.train(tmp_path / "again", 0, "gone")
    waiting = home.folder / "gone" / "epoch0002"
    for file in waiting.iterdir():
        file.unlink()
    waiting.rmdir()
    with pytest.raises(RetortError, match=r"epoch0002 is gone, .*; delete .*gone\.safetensors and run again"):
        home.train(tmp_path / "again", 0, "gone")


def test_a_network_no_better_than_a_guess_stops_the_run(home, tmp_path):
    with pytest.raises(RetortError, match=r"'lessons, run 0'.*a guess"):
        home.train(tmp_path / "worthless", 0, "worthless", settings=RECIPE | CHANGES | {"lr": 1e-12})


# ---------------------------------------------------------------- the record


def test_the_record_is_what_each_network_says_of_each_image(home):
    found, pixels = read(home.folder / "all.safetensors"), read(home.folder / "train.safetensors")["pixels"]
    for label, class_id in enumerate(IDS):
        rows = found[f"rows/{class_id}"]
        assert rows.tolist() == list(range(label * PER_CLASS, (label + 1) * PER_CLASS))
        assert found[f"said/{class_id}"].shape == (2, EPOCHS, PER_CLASS, 3)
        assert (found[f"said/{class_id}"].dtype, found[f"norms/{class_id}"].dtype) == (np.float16, np.float32)
        for run in (0, 1):
            for epoch in range(EPOCHS):
                network = load_teacher(epoch_directory(home.folder / f"run{run}", epoch + 1), IDS)
                features, logits = features_and_logits(network, pixels[rows])
                np.testing.assert_allclose(found[f"said/{class_id}"][run, epoch], logits, rtol=2e-3, atol=1e-4)
                np.testing.assert_allclose(found[f"norms/{class_id}"][run, epoch], features.norm(dim=1), rtol=1e-4)


def test_the_record_does_not_depend_on_shards_or_batches(home, tmp_path, monkeypatch):
    whole = read(home.folder / "all.safetensors")
    parts = home.record(tmp_path / "one.safetensors", [0, 2]) | home.record(tmp_path / "two.safetensors", [1])
    assert parts.keys() == whole.keys()
    for name in whole:
        np.testing.assert_array_equal(parts[name], whole[name])
    monkeypatch.setattr(record_stage, "BATCH", 7)
    small = home.record(tmp_path / "small.safetensors", [0, 1, 2])
    for name in whole:
        np.testing.assert_allclose(small[name], whole[name], rtol=2e-3, atol=1e-3)


def test_no_more_networks_than_are_allowed_are_in_memory(home, tmp_path, monkeypatch):
    whole, loaded, through = read(home.folder / "all.safetensors"), [], record_stage.load_teacher
    asked = []
    monkeypatch.setattr(record_stage, "NETWORKS", 3)
    monkeypatch.setattr(record_stage, "load_teacher", lambda *given: loaded.append(1) or through(*given))
    monkeypatch.setattr(
        record_stage, "_record", lambda *given, call=record_stage._record: asked.append(len(given[2])) or call(*given)
    )
    found = home.record(tmp_path / "few.safetensors", [0, 1, 2])
    assert len(loaded) == 2 * EPOCHS
    assert asked == [3, 3, 3, 3, 3, 3, 2, 2, 2]  # three groups of networks, each over three classes
    for name in whole:
        np.testing.assert_array_equal(found[name], whole[name])


def test_no_more_than_a_batch_of_images_is_held(home, tmp_path, monkeypatch):
    seen, through = [], record_stage.features_and_logits
    monkeypatch.setattr(record_stage, "BATCH", 8)
    monkeypatch.setattr(
        record_stage,
        "features_and_logits",
        lambda net, images, batch: seen.append(len(images)) or through(net, images, batch),
    )
    home.record(tmp_path / "some.safetensors", [1], runs=("run1",), recorded=2)
    assert seen == [8, 8, 8, 8, 8, 8, 6, 6]  # each batch through both networks before the next


def test_what_float16_does_not_hold_names_its_image(home, tmp_path):
    broken = tmp_path / "run" / "epoch0001"
    broken.mkdir(parents=True)
    source = home.folder / "run0" / "epoch0001"
    weights = load_file(source / "model.safetensors")
    weights["head.bias"] += 1e5
    save_file(weights, broken / "model.safetensors")
    (broken / "teacher.json").write_text((source / "teacher.json").read_text())
    inputs = [[str(tmp_path / "run")], home.path("train.safetensors"), home.path("classes.csv")]
    with pytest.raises(RetortError, match=r"class robin, run 0, epoch 1, row 30 of the train split.*float16"):
        record_dynamics(*inputs, str(tmp_path / "out.safetensors"), class_indices=[1], recorded=1)
    assert not (tmp_path / "out.safetensors").exists()


def test_lessons_that_are_not_finite_name_their_class(home, tmp_path):
    tensors = read(home.folder / "all.safetensors")
    tensors["said/robin"][1, 2, 5, 0] = np.inf
    write_tensors(tmp_path / "broken.safetensors", tensors)
    class_lessons(tmp_path / "broken.safetensors", "wren", 0)
    with pytest.raises(RetortError, match=r"class robin: what .*broken\.safetensors says of an image is not finite"):
        class_lessons(tmp_path / "broken.safetensors", "robin", 1)
    assert has_lessons(tmp_path / "broken.safetensors", "robin")
    assert not has_lessons(home.path("train.safetensors"), "robin")


# ---------------------------------------------------------------- the choice


@pytest.mark.parametrize("score", ["el2n", "grand", "aum", "forgetting"])
def test_images_with_a_wrong_label_are_the_hardest_of_their_class(home, score):
    """Three finches among thirty robins; the networks, trained on them too, still call them finches."""
    found = home.select(score)
    assert sorted(found.loc[found["class_index"] == 1, "row"]) == PLANTED
    easy = home.select(score, keep="easy")
    assert not set(easy["row"]) & set(PLANTED)


@pytest.mark.parametrize("score", ["entropy", "margin", "least-confidence", {"kind": "cad", "span": 2, "windows": 1}])
def test_the_choice_is_by_the_lessons_of_each_class(home, score):
    found, part = home.select(score, keep="easy"), part_of("difficulties", score)
    for label, class_id in enumerate(IDS):
        lessons, rows = class_lessons(home.path("all.safetensors"), class_id, label)
        easiest = np.sort(part.hardness(lessons))[:3]
        chosen = found[found["class_index"] == label]
        np.testing.assert_allclose(chosen["score"], easiest, atol=1e-6)
        np.testing.assert_allclose(part.hardness(lessons)[np.searchsorted(rows, chosen["row"])], easiest)


def test_the_manifest_names_the_images_and_their_score_and_the_shard_does_not_matter(home, tmp_path):
    found = home.select("el2n")
    assert list(found.columns) == ["class_index", "index", "image_id", "row", "score"]
    assert found["image_id"].tolist() == [f"{IDS[row // PER_CLASS]}/{row}.png" for row in found["row"]]
    by_class = found.groupby("class_index")["score"]
    assert by_class.apply(lambda scores: scores.is_monotonic_decreasing).all()
    home.record(home.folder / "robins.safetensors", [1])
    alone = home.select("el2n", labels=[1], shard="robins")
    pd.testing.assert_frame_equal(alone, found[found["class_index"] == 1].reset_index(drop=True))


def test_a_class_with_too_few_images_is_named(home):
    select = part_of("selections", {"score": "el2n", "dynamics": "lessons"})
    inputs = [home.path(name) for name in ("manifest.parquet", "classes.csv", "all.safetensors", "selection.csv")]
    with pytest.raises(RetortError, match=rf"class wren: 31 images are wanted of {PER_CLASS}; lower ipc in runs"):
        select_by_features(*inputs, class_indices=[0], select=select, ipc=31, dataset="birds", seed=0)
