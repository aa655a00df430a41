"""One stage by hand, as a researcher does who looks for an error or tries a change."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.helpers.workspace import Workspace, environment

CONFIG = ("--configfile", "experiment.yaml")


def by_hand(workspace: Workspace, *words: str) -> subprocess.CompletedProcess:
    command = [sys.executable, "workflow/call.py", *words, *CONFIG]
    return subprocess.run(command, cwd=workspace.folder, env=environment(), capture_output=True, text=True, timeout=600)


def test_a_stage_by_hand_makes_what_the_workflow_made_beside_it(finished, tmp_path):
    made = "smoke/generated/d3hr/n1/0000.safetensors"
    before = finished.contents()
    done = by_hand(finished, "generate_images", "method=d3hr", "number=1", "shard=0000", "--into", str(tmp_path))
    assert done.returncode == 0, done.stderr
    assert "'sampling': Sampling(sampler=Ddim(eta=0.0)" in done.stdout
    assert (tmp_path / "results" / made).read_bytes() == finished.results(made).read_bytes()
    assert [str(file.relative_to(tmp_path)) for file in tmp_path.rglob("*") if file.is_file()] == [f"results/{made}"]
    assert finished.contents() == before


def test_a_training_by_hand_leaves_the_workflows_checkpoint_alone(finished, tmp_path):
    wildcards = ("method=cao2", "ipc=1", "protocol=hard", "student=resnet8")
    done = by_hand(finished, "train_students", *wildcards, "--into", str(tmp_path), "--print")
    assert done.returncode == 0, done.stderr
    assert not any(tmp_path.iterdir())
    assert str(tmp_path) in done.stdout
    assert "'seeds': [0" in done.stdout


def test_the_same_from_python(finished, tmp_path, monkeypatch):
    program = (
        "from retort.running.by_hand import stage_of\n"
        "wildcards = {'method': 'random', 'ipc': '1'}\n"
        f"function, given = stage_of('select_images', wildcards, {list(CONFIG)}, 'elsewhere')\n"
        "print(function.__module__, given['selection'])\n"
    )
    path = environment() | {"PYTHONPATH": str(finished.folder / "workflow")}
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=finished.folder, env=path, capture_output=True, text=True
    )
    assert done.stdout == ("retort.stages.sets.select_images elsewhere/results/smoke/selected/random/ipc1.csv\n"), (
        done.stderr
    )


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["generate_image"], "no rule with a stage is called generate_image; there are adopt_teacher, "),
        (
            ["generate_images", "method=d3hr"],
            "generate_images needs method=... number=... shard=...; missing: number, shard",
        ),
        (
            ["select_images", "method=randm", "ipc=1"],
            "select_images makes nothing for method=randm ipc=1: the config has no",
        ),
        (["select_images", "ipc=1"], "select_images needs ipc=... method=...; missing: method"),
        (
            ["select_images", "method=random", "ipc=1", "shard=0000"],
            "select_images needs ipc=... method=...; not a wildcard of it: shard",
        ),
        (["select_images", "method", "ipc=1"], "wildcards are given as key=value, found method ipc=1"),
    ],
)
def test_what_is_asked_wrongly_is_said_in_one_line(finished, words, said):
    done = by_hand(finished, *words)
    assert done.returncode in (1, 2)
    assert said in done.stderr.splitlines()[-1]
    assert "Traceback" not in done.stderr


def test_a_bad_config_is_said_as_snakemake_says_it(finished, tmp_path):
    bad = Workspace.fresh(Path(tmp_path, "bad"), finished.config | {"seed": "many"})
    done = by_hand(bad, "select_images", "method=random", "ipc=1")
    assert done.returncode == 1
    assert "seed" in done.stderr
    assert "Traceback" not in done.stderr


def test_an_input_that_has_not_been_made_is_named_with_the_command_that_makes_it(tmp_path, finished):
    fresh = Workspace.fresh(Path(tmp_path, "fresh"), finished.config)
    done = by_hand(fresh, "select_images", "method=random", "ipc=1")
    assert done.returncode == 1
    line = done.stderr.splitlines()[-1]
    assert line.startswith(
        "call.py: select_images: its input results/smoke/manifest.parquet and 1 more have not been made"
    )
    assert "snakemake --cores N --configfile experiment.yaml -- results/smoke/manifest.parquet" in line


def test_an_error_in_a_stage_has_its_traceback(finished, tmp_path):
    twin = finished.twin(tmp_path / "twin")
    twin.results("smoke", "manifest.parquet").write_bytes(b"nothing")
    done = by_hand(twin, "select_images", "method=random", "ipc=1")
    assert done.returncode == 1
    assert "Traceback" in done.stderr
    assert "manifest.parquet" in done.stderr.splitlines()[-1]
