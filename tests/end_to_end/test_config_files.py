"""Config files that are no config, and files that are none: one line, with file, line and column if any."""

import re
import subprocess
import sys

import pytest

from tests.helpers.workspace import Workspace, environment, smoke_config

TAB = "seed: 0\nruns:\n\t- {ipc: [1]}\n"


@pytest.fixture(scope="module")
def workspace(tmp_path_factory) -> Workspace:
    return Workspace.fresh(tmp_path_factory.mktemp("files") / "workspace", smoke_config())


def asked(workspace: Workspace, *command: str) -> str:
    """What a command that fails says, without what Snakemake says of its profile."""
    done = subprocess.run(
        [sys.executable, *command], cwd=workspace.folder, env=environment(), capture_output=True, text=True
    )
    output = done.stdout + done.stderr
    assert done.returncode != 0, output
    assert "Traceback" not in output
    return re.sub("^Using workflow specific profile .*\n", "", output, flags=re.MULTILINE)


def test_a_key_that_the_default_config_gives_twice_is_named_with_both_lines(workspace, count):
    (workspace.folder / "config.yaml").write_text("seed: 0\nmethods: {}\nseed: 1\n")
    said = asked(workspace, "-m", "snakemake", "--dry-run").splitlines()
    assert said[0].startswith("WorkflowError")
    assert said[1].startswith("config.yaml: line 3 gives 'seed', which line 1 has given")
    assert [line for line in said[2:] if not line.startswith("  File ")] == []
    count("bad input: configs, answered")


def test_a_tab_in_what_a_config_extends_is_named_too(workspace, count):
    (workspace.folder / "base.yaml").write_text(TAB)
    workspace.configure({"extends": "base.yaml"})
    output = workspace.run("--dry-run", succeeds=False)
    assert "base.yaml is no YAML: line 3, column 1" in output
    assert "indent with spaces instead of tabs" in output
    count("bad input: configs, answered")


def test_the_status_says_what_is_wrong_with_a_file_and_with_the_order_of_words(workspace, count):
    """Snakemake itself names no line, or ends in a traceback, before it reads a rule: see docs/running.md."""
    (workspace.folder / "mine.yaml").write_text(TAB)
    said = asked(workspace, "workflow/status.py", "--configfile", "mine.yaml")
    assert said.startswith("mine.yaml is no YAML: line 3, column 1")
    assert len(said.splitlines()) == 1
    workspace.configure(smoke_config())
    said = asked(workspace, "workflow/status.py", "--configfile", "experiment.yaml", "d3hr")
    assert said.startswith("there is no config file d3hr here; name targets before")
    assert len(said.splitlines()) == 1
    count("bad input: configs, answered", 2)
