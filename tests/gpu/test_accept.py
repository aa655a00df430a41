"""The acceptance run on a CPU, reduced: that each part runs to its end, and that it says what failed."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from tests.gpu import accept, part_dag
from tests.gpu.asked import jobs_of
from tests.gpu.harness import Bench, Checks, apart

ROOT = Path(__file__).resolve().parents[2]
LEAST = {"make": 19, "load": 90, "same": 89, "memory": 4, "speed": 1, "input": 0, "repeat": 8}


def command(*arguments: str) -> subprocess.CompletedProcess:
    environment = os.environ | {"PYTHONPATH": f"{ROOT / 'workflow'}{os.pathsep}{ROOT}"}
    words = [sys.executable, "-m", "tests.gpu.accept", *arguments]
    return subprocess.run(words, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=850, check=False)


@pytest.fixture(scope="module")
def accepted(tmp_path_factory) -> tuple[dict, str]:
    """What all parts found that need no GPU, and what they printed; of one run, whose parts share their models."""
    folder = tmp_path_factory.mktemp("accepted")
    file = folder / "found.json"
    words = ("--device", "cpu", "--size", "tiny", "--only", ",".join(LEAST), "--json", str(file), "--folder")
    done = command(*words, str(folder))
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    assert [path for path in folder.iterdir() if path != file] == []  # models are gone
    return json.loads(file.read_text())["parts"], done.stdout


@pytest.mark.parametrize("part", LEAST)
def test_a_part_runs_to_its_end_on_a_cpu_with_tiny_models(part, accepted):
    """The dag is the smoke run, which other tests have made: see below."""
    parts, said = accepted
    assert [check for check in parts[part]["checks"] if not check["holds"]] == []
    assert parts[part]["state"] == "passed"
    assert len(parts[part]["checks"]) >= LEAST[part]
    assert parts[part]["figures"] or part == "make"
    assert f"| {part} | passed |" in said


def test_a_part_runs_alone_and_makes_the_models_that_it_needs(tmp_path):
    file = tmp_path / "found.json"
    done = command(
        "--device", "cpu", "--size", "tiny", "--only", "repeat", "--json", str(file), "--folder", str(tmp_path)
    )
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    assert list(json.loads(file.read_text())["parts"]) == ["repeat"]


def test_the_finished_smoke_run_says_where_it_computed_and_uses_no_gpu(finished):
    checks = Checks("dag")
    part_dag.examine(checks, finished, gpu="")
    assert len(checks.done) == 4
    wrong = [check["what"] for check in checks.done if not check["holds"]]
    # On a machine without a GPU, jobs need not say that there is none.
    assert [what for what in wrong if "has 'this job computes on the CPU'" not in what] == []


def test_a_run_that_should_have_been_on_a_gpu_and_was_not_fails(finished):
    checks = Checks("dag")
    part_dag.examine(checks, finished, gpu="NVIDIA H200")
    assert checks.failed == 2  # its logs and its costs


def test_the_rules_that_ask_for_a_gpu_are_found():
    rules = part_dag.gpu_rules(ROOT / "rules")
    assert {"generate_images", "invert_latents", "refine_latents", "train_students", "relabel_set"} <= rules
    assert not rules & {"write_set", "fetch_model", "tabulate_accuracy", "choose_starts"}


@pytest.mark.skipif(torch.cuda.is_available(), reason="the machine has a GPU")
def test_without_a_gpu_every_part_is_skipped_with_a_word(tmp_path, monkeypatch, capsys):
    file = tmp_path / "found.json"
    monkeypatch.setattr(sys, "argv", ["accept", "--json", str(file)])
    with pytest.raises(SystemExit) as ended:
        accept.main()
    assert ended.value.code == 0
    parts = json.loads(file.read_text())["parts"]
    assert list(parts) == list(accept.PARTS)
    assert {part["state"] for part in parts.values()} == {"skipped: torch sees no CUDA device on this machine"}
    assert capsys.readouterr().out.count("skipped: torch sees no CUDA device") == len(parts)


def test_what_fails_is_counted_listed_and_the_next_part_runs(tmp_path, monkeypatch):
    def load(name):
        class Part:
            @staticmethod
            def run(bench: Bench, checks: Checks) -> None:
                checks.that("one is one", True)
                checks.below("two", 2.0, 1.0)
                if name.endswith("load"):
                    raise ValueError("it broke")

        return Part

    monkeypatch.setattr(accept.importlib, "import_module", load)
    found = accept.accept(["load", "same"], "cpu", "tiny", tmp_path)
    assert accept.failures(found) == 3
    assert {name: part["state"] for name, part in found["parts"].items()} == {"load": "failed", "same": "failed"}
    text = accept.table(found)
    assert "the part runs to its end: ValueError: it broke" in text
    assert text.count("two < 1") == 2
    json.dumps(found)


def test_options_that_make_no_sense_are_refused(capsys):
    for arguments, said in (
        (["--only", "make,laod"], "no part is called laod"),
        (["--device", "cpu"], "only --size tiny"),
    ):
        with pytest.raises(SystemExit):
            accept.parse(arguments)
        assert said in capsys.readouterr().err


def test_every_part_of_the_list_has_its_module_and_its_words():
    modules = {path.stem.removeprefix("part_") for path in (ROOT / "tests" / "gpu").glob("part_*.py")}
    assert modules == set(accept.PARTS)


def test_minutes_are_read_from_a_dry_run():
    text = (
        "rule generate_images:\n    output: x\n    wildcards: method=dit, number=50, shard=a-b\n"
        "    resources: tmpdir=<TBD>, gpu=1, runtime=530\n\n"
        "localrule all:\n    input: y\n    resources: tmpdir=<TBD>\n"
    )
    assert jobs_of(text) == {"generate_images": [({"method": "dit", "number": "50", "shard": "a-b"}, 530)]}


def test_an_error_is_relative_and_what_is_not_finite_is_wholly_wrong():
    expected = torch.tensor([3.0, 4.0])
    assert apart(torch.tensor([3.0, 4.5]), expected) == pytest.approx(0.1)
    assert apart(torch.tensor([3.0, torch.nan]), expected) == 1.0
    assert re.match(r"\d", str(apart(expected, expected)))
