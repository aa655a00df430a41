"""Models whose training ended and whose directory was not written: the next attempt trains no step of it again."""

from collections.abc import Callable
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
from tests.helpers.birds import CLASSES, make_home

from retort.base.errors import RetortError
from retort.base.tensors import write_tensors
from retort.models.training_state import Checkpoint
from retort.stages.models import train_dit as train_dit
from retort.stages.models import train_teacher as train_teacher
from retort.stages.models import train_vae as train_vae

STEPS = 15
VAE = {
    **{"channels": [8, 8], "layers_per_block": 1, "norm_groups": 4, "latent_channels": 4, "steps": STEPS, "batch": 4},
    **{"lr": 5e-3, "kl_weight": 1e-6, "precision": "float32"},
}
DIT = {
    **{"layers": 1, "heads": 2, "head_dim": 8, "patch": 2, "steps": STEPS, "batch": 4, "lr": 0.01, "warmup": 2},
    **{"ema": 0.5, "drop_label": 0.1},
}
TEACHER = {
    **{"steps": STEPS, "batch": 12, "lr": 0.01, "weight_decay": 0.01},
    **{"rotate": 0.0, "scale": 0.0, "shift": 0.0, "flip": True},
}

Make = Callable[[Path, Checkpoint], None]


class Interrupted(Exception):
    """What a killed job looks like from inside."""


@contextmanager
def killed(output: str):
    """In the place of `whole_directory`."""
    raise Interrupted
    yield


@pytest.fixture(scope="module")
def makers(tmp_path_factory) -> dict[str, tuple[object, Make]]:
    """Name -> module of the stage, and what runs it."""
    home = make_home(tmp_path_factory.mktemp("birds"))
    train, val, table = (str(home / name) for name in ("train.safetensors", "val.safetensors", "classes.csv"))
    common = {"seed": 0}

    def vae(output: Path, checkpoint: Checkpoint) -> None:
        train_vae.train_vae(train, val, str(output), checkpoint, name="vae", settings=VAE, **common)

    def teacher(output: Path, checkpoint: Checkpoint, expect: float | None = None) -> None:
        about = {"name": "teacher", "arch": "resnet8", "expect": expect, "settings": TEACHER}
        train_teacher.train_teacher(train, val, table, str(output), checkpoint, **about, **common)

    vae(home / "vae", Checkpoint(home / "state.safetensors", "home"))
    rng = np.random.default_rng(0)
    latents = {f"latents/{c}": rng.standard_normal((5, 4, 4, 4)).astype(np.float32) for c in CLASSES}
    write_tensors(home / "latents.safetensors", latents)

    def dit(output: Path, checkpoint: Checkpoint) -> None:
        inputs = ([str(home / "latents.safetensors")], table, str(home / "vae"))
        train_dit.train_dit(*inputs, str(output), checkpoint, name="dit", settings=DIT, **common)

    return {"vae": (train_vae, vae), "teacher": (train_teacher, teacher), "dit": (train_dit, dit)}


def content(folder: Path) -> dict[str, bytes]:
    return {file.relative_to(folder).as_posix(): file.read_bytes() for file in folder.rglob("*") if file.is_file()}


@pytest.mark.parametrize("name", ["vae", "teacher", "dit"])
def test_what_was_trained_and_not_written_is_written_without_training(makers, tmp_path, monkeypatch, capsys, name):
    stage, make = makers[name]
    make(tmp_path / "undisturbed", Checkpoint(tmp_path / "other.safetensors", "this"))
    with monkeypatch.context() as patch:
        patch.setattr(stage, "whole_directory", killed)
        with pytest.raises(Interrupted):
            make(tmp_path / "model", Checkpoint(tmp_path / "state.safetensors", "this"))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["state.safetensors", "undisturbed"]
    make(tmp_path / "model", Checkpoint(tmp_path / "state.safetensors", "this"))
    assert f"resuming from step {STEPS} of" in capsys.readouterr().out
    assert content(tmp_path / "model") == content(tmp_path / "undisturbed")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["model", "undisturbed"]


def test_a_teacher_that_is_refused_is_refused_again_without_training(makers, tmp_path, capsys):
    _, make = makers["teacher"]
    for attempt in range(2):
        with pytest.raises(RetortError, match="Its labels would be worthless"):
            make(tmp_path / "teacher", Checkpoint(tmp_path / "state.safetensors", "this"), expect=2.0)
        assert ("resuming" in capsys.readouterr().out) == (attempt == 1)
    assert not (tmp_path / "teacher").exists()
