"""States of trainings: when they are saved, and what is resumed."""

from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from retort.models import training_state
from retort.models.training_state import Checkpoint, Training


def training(width: int = 3, seed: int = 0) -> Training:
    torch.manual_seed(seed)
    module = nn.Sequential(nn.Linear(2, width), nn.BatchNorm1d(width))
    return Training(module, torch.optim.AdamW(module.parameters(), lr=0.1))


def step(trained: Training) -> None:
    trained.module(torch.randn(4, 2)).square().sum().backward()
    trained.optimizer.step()


def weights(trained: Training) -> dict[str, Tensor]:
    return {name: tensor.clone() for name, tensor in trained.tensors().items()}


def equal(one: dict[str, Tensor], other: dict[str, Tensor]) -> bool:
    return one.keys() == other.keys() and all(torch.equal(one[name], other[name]) for name in one)


@pytest.fixture
def path(tmp_path) -> Path:
    """A state left for "this" before step 7."""
    trained = training()
    step(trained)
    Checkpoint(tmp_path / "state.safetensors", "this").save(trained, 7, {"curve": [0.1, None]})
    return tmp_path / "state.safetensors"


# ---------------------------------------------------------------- what is left


def test_a_state_comes_back_with_its_step_its_facts_and_all_that_steps_change(path):
    original = training()
    step(original)
    expected, resumed = weights(original), training(seed=1)
    step(resumed)
    assert not equal(weights(resumed), expected)
    assert Checkpoint(path, "this").resume(resumed) == (7, {"curve": [0.1, None]})
    assert equal(weights(resumed), expected)
    assert {"module/1.running_mean", "optimizer/3/exp_avg_sq", "optimizer/0/step", "generator/cpu"} <= expected.keys()


def test_where_nothing_was_left_nothing_changes(tmp_path):
    fresh = training()
    before = weights(fresh)
    assert Checkpoint(tmp_path / "state.safetensors", "this").resume(fresh) == (0, {})
    assert equal(weights(fresh), before)


def test_a_state_for_another_purpose_is_not_gone_on_with_and_stays(path, capsys):
    fresh = training(seed=1)
    before = weights(fresh)
    assert Checkpoint(path, "that").resume(fresh) == (0, {})
    assert equal(weights(fresh), before)
    assert path.exists()
    assert capsys.readouterr().out == ""


def test_a_resumed_optimiser_keeps_the_rates_of_its_groups(path):
    resumed = training()
    resumed.optimizer.param_groups[0]["lr"] = 0.5
    Checkpoint(path, "this").resume(resumed)
    assert resumed.optimizer.param_groups[0]["lr"] == 0.5


# ---------------------------------------------------------------- damage


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-1])


def rewrite(**changes):
    """The same file with other metadata; None takes an entry out."""

    def damage(path: Path) -> None:
        with safe_open(path, "pt") as file:
            metadata = file.metadata() | changes
        save_file(load_file(path), path, {k: v for k, v in metadata.items() if v is not None})

    return damage


def of_another(**settings):
    return lambda path: Checkpoint(path, "this").save(training(**settings), 7)


def without(prefix: str):
    def damage(path: Path) -> None:
        with safe_open(path, "pt") as file:
            metadata = file.metadata()
        save_file({k: v for k, v in load_file(path).items() if not k.startswith(prefix)}, path, metadata)

    return damage


def with_more_parameters(path: Path) -> None:
    with safe_open(path, "pt") as file:
        metadata = file.metadata()
    save_file(load_file(path) | {"optimizer/9/exp_avg": torch.zeros(3)}, path, metadata)


CORRUPT = {
    "empty": lambda path: path.write_bytes(b""),
    "text": lambda path: path.write_text("this is a text file and no tensors"),
    "cut short": cut,
    "no step": rewrite(step=None),
    "a step that is none": rewrite(step="seven"),
    "half of the facts": rewrite(facts='{"curve": [0.1'),
    "of another network": of_another(width=4),
    "of half a network": without("module/1"),
    "of another optimiser": with_more_parameters,
    "without generator": without("generator"),
}


@pytest.mark.parametrize("damage", CORRUPT.values(), ids=CORRUPT)
def test_a_damaged_state_is_put_aside_and_the_training_starts_anew(path, damage, capsys):
    damage(path)
    content, fresh = path.read_bytes(), training(seed=1)
    before, checkpoint = weights(fresh), Checkpoint(path, "this")
    assert checkpoint.resume(fresh) == (0, {})
    assert equal(weights(fresh), before)
    assert (path.parent / "state.safetensors.damaged").read_bytes() == content
    assert f"{path} cannot be resumed from, so this starts again" in capsys.readouterr().out
    checkpoint.save(fresh, 1)
    assert checkpoint.resume(training())[0] == 1
    checkpoint.clear()
    assert list(path.parent.iterdir()) == []


# ---------------------------------------------------------------- when


@pytest.mark.parametrize(("took", "wait"), [(0.125, 60), (1, 60), (3, 150)])
def test_a_save_is_due_after_a_minute_or_fifty_times_what_the_last_one_took(tmp_path, monkeypatch, took, wait):
    now = [1000.0]
    monkeypatch.setattr(training_state, "time", SimpleNamespace(monotonic=lambda: now[0]))

    def save(tensors: dict, scratch: Path, metadata: dict) -> None:
        scratch.touch()
        now[0] += took

    monkeypatch.setattr(training_state, "save_file", save)
    checkpoint = Checkpoint(tmp_path / "state.safetensors", "this")
    now[0] += 59
    assert not checkpoint.due()
    now[0] += 1
    assert checkpoint.due()
    checkpoint.save(training(), 1)
    now[0] += wait - 1
    assert not checkpoint.due()
    now[0] += 1
    assert checkpoint.due()


def test_waiting_begins_with_the_training_and_may_be_shorter(tmp_path, monkeypatch):
    now = [1000.0]
    monkeypatch.setattr(training_state, "time", SimpleNamespace(monotonic=lambda: now[0]))
    checkpoint = Checkpoint(tmp_path / "state.safetensors", "this", 5)
    now[0] += 100  # reading the data, say
    checkpoint.resume(training())
    assert not checkpoint.due()
    now[0] += 5
    assert checkpoint.due()
