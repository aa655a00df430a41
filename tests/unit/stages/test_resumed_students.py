"""Students whose job was interrupted: finished ones are kept, the others end as if nothing had happened."""

import json
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace

import pytest
import timm
import torch
from tests.helpers.birds import EPOCHS, SGD, label, make_home, train
from torch import Tensor

from retort.artifacts.kept_students import KeptStudents
from retort.base.errors import RetortError
from retort.base.files import read_json
from retort.evaluation import student as student_module
from retort.evaluation.augment import apply_views
from retort.evaluation.optimisers import lr_factor
from retort.evaluation.student import Recipe, evaluate
from retort.models.classifiers import build_classifier
from retort.models.training_state import Checkpoint, Training
from retort.stages.evaluation import train_students as stage

STEPS, TESTED = 8, (2, 4, 6, 8)


class Interrupted(Exception):
    """What a killed job looks like from inside."""


@pytest.fixture(scope="module")
def home(tmp_path_factory) -> Path:
    return make_home(tmp_path_factory.mktemp("birds"))


def kept(folder: Path, purpose: str = "this") -> KeptStudents:
    return KeptStudents(folder / "checkpoints", purpose, 60)


@pytest.fixture
def every_step(monkeypatch):
    """A state is saved after every step."""
    monkeypatch.setattr(Checkpoint, "due", lambda self: True)


# ---------------------------------------------------------------- networks


def convnet(arch: str, classes: int, side: int) -> torch.nn.Module:
    return build_classifier("convnet3_bn", classes, side)


def transformer(arch: str, classes: int, side: int) -> torch.nn.Module:
    """timm's Swin, as small as can be: dropout, and whole blocks dropped."""
    tiny = {"img_size": side, "patch_size": 2, "window_size": 2, "embed_dim": 8, "depths": (1, 2), "num_heads": (1, 2)}
    name = "swin_tiny_patch4_window7_224"
    return timm.create_model(name, num_classes=classes, **tiny, proj_drop_rate=0.2, drop_path_rate=0.4)


NETWORKS = {"resnet with batch norm": build_classifier, "convnet with batch norm": convnet, "swin": transformer}


# ---------------------------------------------------------------- a training, watched


@dataclass
class Watch:
    """What a training ends with, and the steps that it made."""

    record: dict | None
    state: dict[str, Tensor]
    steps: list[int]


def run(home: Path, monkeypatch, kind: str, build=build_classifier, die=None, **changes) -> Watch:
    """Train one student. die: ("step", n), ("test", n) or ("tested", n): killed in that step, in the test after that
    step, or after it and before the next step."""
    made, states = [], []

    def apply(images, planned):
        made.append(planned)
        if die == ("step", len(made)):
            raise Interrupted
        return apply_views(images, planned)

    def test(*arguments, **named):
        if die == ("test", len(made)):
            raise Interrupted
        return evaluate(*arguments, **named)

    class Watched(Training):
        def __init__(self, *arguments):
            super().__init__(*arguments)
            states.append(self)

    with monkeypatch.context() as patch:
        patch.setattr(student_module, "build_classifier", build)
        patch.setattr(student_module, "apply_views", apply)
        patch.setattr(student_module, "evaluate", test)
        patch.setattr(student_module, "Training", Watched)
        record = None
        if die:
            with pytest.raises(Interrupted):
                train(home, kind, **changes)
        else:
            [record] = train(home, kind, **changes)
    return Watch(record, states[0].tensors(), made)


def assert_equal(one: Watch, other: Watch) -> None:
    """Records (with curve and mean losses), weights, statistics, optimiser and generator, to the last bit."""
    assert json.dumps(one.record) == json.dumps(other.record)
    assert one.state.keys() == other.state.keys()
    assert [name for name in one.state if not torch.equal(one.state[name], other.state[name])] == []


# Before anything is saved; between two tests; in a test; between a test and the next step; in the last step and test.
DEATHS = [("step", 1), ("step", 4), ("test", 4), ("step", 5), ("step", 8), ("test", 8)]


@pytest.mark.usefixtures("every_step")
@pytest.mark.parametrize("die", DEATHS, ids=lambda die: f"killed in {die[0]} {die[1]}")
@pytest.mark.parametrize("build", NETWORKS.values(), ids=NETWORKS)
def test_a_resumed_student_ends_bit_equal_to_an_undisturbed_one(home, tmp_path, monkeypatch, build, die):
    undisturbed = run(home, monkeypatch, "hard", build)
    run(home, monkeypatch, "hard", build, die, kept=kept(tmp_path))
    resumed = run(home, monkeypatch, "hard", build, kept=kept(tmp_path))
    assert_equal(resumed, undisturbed)
    saved = die[1] - 1  # the step or the test in which it was killed is lost
    assert len(resumed.steps) == STEPS - saved
    assert [point["step"] for point in resumed.record["curve"]] == list(TESTED)


@pytest.mark.usefixtures("every_step")
@pytest.mark.parametrize("die", [("step", 4), ("test", 4), ("step", 5)], ids=lambda die: f"killed in {die[0]} {die[1]}")
@pytest.mark.parametrize("kind", ["static", "region", "online"])
def test_so_do_students_of_a_teachers_labels(home, tmp_path, monkeypatch, kind, die):
    undisturbed = run(home, monkeypatch, kind)
    run(home, monkeypatch, kind, die=die, kept=kept(tmp_path))
    resumed = run(home, monkeypatch, kind, kept=kept(tmp_path))
    assert_equal(resumed, undisturbed)
    assert len(resumed.steps) < STEPS


HOW = [
    {"precision": "bfloat16"},
    {"precision": "float16"},
    {"precision": "float16", "accumulate": 2},
    {"accumulate": 3},
    {"forward_twice": True},
]


@pytest.mark.usefixtures("every_step")
@pytest.mark.parametrize("die", [("step", 4), ("test", 4)], ids=lambda die: f"killed in {die[0]} {die[1]}")
@pytest.mark.parametrize("how", HOW, ids=str)
def test_so_do_students_however_a_step_is_computed(home, tmp_path, monkeypatch, how, die):
    recipe = Recipe(**vars(SGD) | how)
    undisturbed = run(home, monkeypatch, "hard", recipe=recipe)
    run(home, monkeypatch, "hard", die=die, kept=kept(tmp_path), recipe=recipe)
    resumed = run(home, monkeypatch, "hard", kept=kept(tmp_path), recipe=recipe)
    assert_equal(resumed, undisturbed)
    assert len(resumed.steps) < STEPS
    assert undisturbed.record["curve"] != run(home, monkeypatch, "hard").record["curve"]
    scaled = {name: value.item() for name, value in undisturbed.state.items() if name.startswith("scaler/")}
    assert scaled.get("scaler/_growth_tracker") == (STEPS if how.get("precision") == "float16" else None)


@pytest.mark.usefixtures("every_step")
def test_a_state_of_another_precision_is_put_aside(home, tmp_path, monkeypatch, capsys):
    mixed = Recipe(**vars(SGD) | {"precision": "float16"})
    run(home, monkeypatch, "hard", die=("step", 4), kept=kept(tmp_path), recipe=mixed)
    resumed = run(home, monkeypatch, "hard", kept=kept(tmp_path))
    assert "it is of another precision" in capsys.readouterr().out
    assert_equal(resumed, run(home, monkeypatch, "hard"))


@pytest.mark.usefixtures("every_step")
def test_so_do_trainings_counted_in_epochs(home, tmp_path, monkeypatch):
    stored = label(home, "two", "region", EPOCHS, tmp_path / "labels.safetensors")
    how = {"views": EPOCHS, "labels": stored}
    undisturbed = run(home, monkeypatch, "region", **how)
    run(home, monkeypatch, "region", die=("step", 4), kept=kept(tmp_path), **how)
    assert_equal(run(home, monkeypatch, "region", kept=kept(tmp_path), **how), undisturbed)


@pytest.mark.usefixtures("every_step")
def test_a_student_killed_again_and_again_gets_there(home, tmp_path, monkeypatch):
    undisturbed = run(home, monkeypatch, "hard")
    for _ in range(STEPS - 1):
        run(home, monkeypatch, "hard", die=("step", 2), kept=kept(tmp_path))
    resumed = run(home, monkeypatch, "hard", kept=kept(tmp_path))
    assert len(resumed.steps) == 1
    assert_equal(resumed, undisturbed)


def test_states_saved_now_and_then_lose_what_came_after(home, tmp_path, monkeypatch):
    undisturbed, asked = run(home, monkeypatch, "hard"), []

    def due(self) -> bool:
        asked.append(self)
        return len(asked) == 3

    with monkeypatch.context() as patch:
        patch.setattr(Checkpoint, "due", due)
        run(home, monkeypatch, "hard", die=("step", 6), kept=kept(tmp_path))
    resumed = run(home, monkeypatch, "hard", kept=kept(tmp_path))
    assert len(resumed.steps) == STEPS - 3
    assert_equal(resumed, undisturbed)


@pytest.mark.usefixtures("every_step")
def test_a_loss_that_is_lost_is_not_saved(home, tmp_path):
    lost = Recipe(**vars(SGD) | {"lr": 1e30, "evaluations": 1})
    with pytest.raises(RetortError, match=r"the loss is (nan|inf) at step [23];"):
        train(home, "hard", recipe=lost, kept=kept(tmp_path))


def test_a_short_training_saves_no_state(home, tmp_path, monkeypatch):
    saved = []
    monkeypatch.setattr(Checkpoint, "save", lambda *what: saved.append(what))
    train(home, "hard", kept=kept(tmp_path))
    assert saved == []


@pytest.mark.usefixtures("every_step")
def test_seconds_are_those_of_all_attempts_but_for_what_was_lost(home, tmp_path, monkeypatch):
    now = [0.0]

    def factor(*arguments) -> float:  # asked for at the beginning of each step
        now[0] += 10
        return lr_factor(*arguments)

    monkeypatch.setattr(student_module, "time", SimpleNamespace(perf_counter=lambda: now[0]))
    monkeypatch.setattr(student_module, "lr_factor", factor)
    run(home, monkeypatch, "hard", die=("step", 5), kept=kept(tmp_path))
    now[0] += 1000
    run(home, monkeypatch, "hard", kept=kept(tmp_path))
    assert read_json(home / "students" / "0.json")["seconds"] == 10 * STEPS


# ---------------------------------------------------------------- several students of one job


class Job:
    """Three students that learn from hard labels, and how many of them were begun by the last call."""

    def __init__(self, home: Path, monkeypatch):
        self.home, self.monkeypatch, self.begun = home, monkeypatch, 0

    def run(self, die_in: int | None = None, **changes) -> list[dict]:
        """die_in: killed at the beginning of the so many-th student that is trained."""
        self.begun = 0

        def build(*arguments) -> torch.nn.Module:
            self.begun += 1
            if self.begun == die_in:
                raise Interrupted
            return build_classifier(*arguments)

        with self.monkeypatch.context() as patch:
            patch.setattr(student_module, "build_classifier", build)
            return train(self.home, "hard", seeds=3, **changes)


@pytest.fixture
def job(home, monkeypatch) -> Job:
    return Job(home, monkeypatch)


def test_finished_students_of_a_killed_job_are_not_trained_again(job, tmp_path):
    undisturbed = job.run()
    for die_in, begun in ((2, 2), (1, 1), (2, 2)):
        with pytest.raises(Interrupted):
            job.run(die_in, kept=kept(tmp_path))
        assert job.begun == begun
    assert sorted(path.name for path in (tmp_path / "checkpoints").iterdir()) == ["0.json", "1.json"]
    assert job.run(kept=kept(tmp_path)) == undisturbed
    assert job.begun == 1
    assert list(tmp_path.iterdir()) == []


def test_students_whose_records_were_not_written_down_are_not_trained_again(job, tmp_path):
    undisturbed = job.run()
    before = {path.name: path.read_bytes() for path in (job.home / "students").iterdir()}

    @contextmanager
    def killed(output: str):
        raise Interrupted
        yield

    with job.monkeypatch.context() as patch:
        patch.setattr(stage, "whole_directory", killed)
        with pytest.raises(Interrupted):
            job.run(kept=kept(tmp_path))
    assert {path.name: path.read_bytes() for path in (job.home / "students").iterdir()} == before
    assert job.run(kept=kept(tmp_path)) == undisturbed
    assert job.begun == 0
    assert list(tmp_path.iterdir()) == []


def test_a_job_with_fewer_students_leaves_nothing_of_one_with_more(job, tmp_path):
    with pytest.raises(Interrupted):
        job.run(3, kept=kept(tmp_path, "that"))
    train(job.home, "hard", seeds=1, kept=kept(tmp_path))
    assert sorted(path.name for path in (job.home / "students").iterdir()) == ["0.json"]
    assert list(tmp_path.iterdir()) == []


@pytest.mark.usefixtures("every_step")
def test_what_was_left_for_another_purpose_is_not_gone_on_with(job, tmp_path):
    undisturbed = job.run()
    other = Recipe(**vars(SGD) | {"lr": 0.5})
    with pytest.raises(Interrupted):
        job.run(3, recipe=other, kept=kept(tmp_path, "that"))
    assert job.run(kept=kept(tmp_path)) == undisturbed
    assert job.begun == 3


@pytest.mark.parametrize("content", ["", '{"purpose": "this", "rec', '{"purpose": "this"}', "[1]"])
def test_a_damaged_record_is_put_aside_and_the_student_trained_again(job, tmp_path, capsys, content):
    undisturbed = job.run()
    with pytest.raises(Interrupted):
        job.run(3, kept=kept(tmp_path))
    (tmp_path / "checkpoints" / "1.json").write_text(content)
    with pytest.raises(Interrupted):
        job.run(2, kept=kept(tmp_path))
    assert (tmp_path / "checkpoints" / "1.json.damaged").read_text() == content
    assert "1.json cannot be resumed from, so this starts again" in capsys.readouterr().out
    assert job.run(kept=kept(tmp_path)) == undisturbed
    assert list(tmp_path.iterdir()) == []
