"""Outputs on disks that are full or read-only, and of jobs that are killed: the old one or the new one, whole."""

import json
import shutil
import subprocess
import sys

import pytest
from tests.helpers.bad_disk import WRITERS, ways, write_on
from tests.helpers.killed_writer import write

ERRORS = {
    ("full", "limited"): "EFBIG",
    ("full", "mounted"): "ENOSPC",
    ("read-only", "limited"): "EACCES",
    ("read-only", "mounted"): "EROFS",
}
KILLS = 30


@pytest.mark.parametrize("how", ways())
@pytest.mark.parametrize("state", ["full", "read-only"])
def test_a_bad_disk_is_said_at_once_and_leaves_what_was_there(state, how):
    told = write_on(state, how)
    assert {kind: found["error"] for kind, found in told["outcomes"].items()} == dict.fromkeys(
        WRITERS, ERRORS[state, how]
    )
    assert not told["outcomes"]["tensors"]["filled"]  # hours of work would be lost
    assert told["after"] == told["before"]
    assert len(told["before"]) == len(WRITERS)


def test_a_killed_job_leaves_no_half_output(tmp_path):
    command = [sys.executable, "-m", "tests.helpers.killed_writer", str(tmp_path), str(KILLS)]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    states = json.loads(done.stdout)
    assert len(states) == KILLS
    for state in states:
        # A directory is missing when the kill came between the two renames that replace one.
        assert {"text", "tensors"} <= state["found"].keys() <= {"text", "directory", "tensors"}
        assert all(len(numbers) == 1 for numbers in state["found"].values()), state
    assert any(state["scratch"] for state in states)  # some kills met a job that was writing
    last, first = states[-1]["found"], states[0]["found"]
    assert last["tensors"] > first["tensors"]  # and some came later


def test_the_job_after_a_killed_one_cleans_up(tmp_path):
    write(tmp_path, 1)
    whole = sorted(path.name for path in tmp_path.iterdir())
    for name in whole:
        shutil.copytree(tmp_path / "directory", tmp_path / f".{name}.00aa11bb.part")
    (tmp_path / ".text.txt.4711.part").touch()
    write(tmp_path, 2)
    assert sorted(path.name for path in tmp_path.iterdir()) == whole
