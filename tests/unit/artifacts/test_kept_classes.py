"""A shard that is killed goes on behind the classes that are done, and ends in the bytes of one that was not."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from tests.helpers.tiny_models import save_models, write_random_latents

from retort.artifacts.kept_classes import KeptClasses

ROOT = Path(__file__).resolve().parents[3]
COUNTS = {"ant": 5, "bee": 3, "cat": 2, "dog": 4}
BATCHES = [c for c, n in COUNTS.items() for _ in range(0, n, 2)]  # ant ant ant bee bee cat dog dog


@pytest.fixture(scope="module")
def models(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("models")
    save_models(folder)
    write_random_latents(folder / "latents.safetensors", COUNTS)
    return folder


def attempts(stage: str, models: Path, folder: Path, **runs: Sequence[str]) -> list[list[dict]]:
    """What each attempt of each run computed; folder/RUN/output.safetensors is what the last one wrote.

    One process for all: what takes long to import is imported once, and an attempt is a fork of it.
    """
    words = []
    for name, calls in runs.items():
        words += ["--", str(shutil.copytree(models, folder / name)), *calls]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join([str(ROOT / "workflow"), str(ROOT)])}
    command = [sys.executable, "-m", "tests.helpers.killed_shard", stage, *words]
    run = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr
    return json.loads(run.stdout)


def outputs(folder: Path) -> list[bytes]:
    return [(folder / name / "output.safetensors").read_bytes() for name in ("straight", "killed")]


@pytest.mark.parametrize("stage", ["typicality", "inversion"])
def test_a_shard_that_is_killed_goes_on_with_the_next_class_to_the_same_bytes(models, tmp_path, stage):
    straight, killed = attempts(stage, models, tmp_path, straight=["0"], killed=["5", "4", "0"])
    assert straight == [{"batches": BATCHES, "killed": False}]
    assert (
        killed
        == [
            {"batches": BATCHES[:5], "killed": True},  # in the last batch of bee, so ant is kept
            {"batches": BATCHES[3:7], "killed": True},  # from bee on, to the first batch of dog
            {"batches": BATCHES[6:], "killed": False},
        ]
    )
    first, second = outputs(tmp_path)
    assert first == second
    assert sorted(p.name for p in (tmp_path / "killed").iterdir()) == sorted(
        p.name for p in (tmp_path / "straight").iterdir()
    )


GRID = ["ant", "bee", "cat"]  # the first class of each batch: twelve images, three of a class, in batches of four


def test_a_sampling_that_is_killed_goes_on_with_the_next_batch_to_the_same_bytes(models, tmp_path):
    straight, killed = attempts("generation", models, tmp_path, straight=["0"], killed=["2", "2", "0"])
    assert straight == [{"batches": GRID, "killed": False}]
    assert [found["batches"] for found in killed] == [GRID[:2], GRID[1:], GRID[2:]]
    first, second = outputs(tmp_path)
    assert first == second
    assert not (tmp_path / "killed" / "kept").exists()


@pytest.mark.parametrize(
    ("stage", "change"), [("typicality", "draws=3"), ("inversion", "guidance=1.5"), ("generation", "steps=4")]
)
def test_a_shard_whose_settings_changed_starts_over(models, tmp_path, stage, change):
    first_kill = "3" if stage == "generation" else "5"
    killed, _ = attempts(stage, models, tmp_path, killed=[first_kill, "0", change], straight=["0", change])
    assert killed[1] == {"batches": GRID if stage == "generation" else BATCHES, "killed": False}
    first, second = outputs(tmp_path)
    assert first == second


# ---------------------------------------------------------------- what is kept


def test_what_was_kept_comes_back_for_the_same_purpose_alone(tmp_path):
    kept, other = KeptClasses(tmp_path / "kept", "this"), KeptClasses(tmp_path / "kept", "that")
    assert kept.tensors("ant") is None
    kept.keep("ant", {"mean": np.arange(6.0).reshape(2, 3), "count": np.array(4)})
    found = kept.tensors("ant")
    np.testing.assert_array_equal(found["mean"], np.arange(6.0).reshape(2, 3))
    assert found["mean"].dtype == np.float64
    assert found["count"] == 4
    assert other.tensors("ant") is None
    assert kept.tensors("bee") is None
    kept.clear()
    assert list(tmp_path.iterdir()) == []
    kept.clear()


@pytest.mark.parametrize("keep", [0, 20, -1])
def test_a_class_whose_file_is_damaged_is_computed_again(tmp_path, capsys, keep):
    kept = KeptClasses(tmp_path / "kept", "this")
    kept.keep("ant", {"mean": np.arange(6.0)})
    path = tmp_path / "kept" / "ant.safetensors"
    path.write_bytes(path.read_bytes()[:keep])
    assert kept.tensors("ant") is None
    assert "ant.safetensors cannot be resumed from" in capsys.readouterr().out
    kept.keep("ant", {"mean": np.arange(6.0)})
    np.testing.assert_array_equal(kept.tensors("ant")["mean"], np.arange(6.0))
    kept.clear()
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("class_id", ["ant", "a" * 255, "鳥" * 85])
def test_a_class_of_any_name_is_kept(tmp_path, class_id):
    kept = KeptClasses(tmp_path / "kept", "purpose")
    kept.keep(class_id, {"maps": np.ones(3)})
    assert kept.tensors(class_id)["maps"].tolist() == [1, 1, 1]
