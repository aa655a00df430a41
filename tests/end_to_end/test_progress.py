"""What a run shows: one screen in a real terminal, plain lines without one, and Snakemake's own words."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest
from PIL import Image

from tests.helpers.pseudo_terminal import Seen, run_in_terminal
from tests.helpers.workspace import Workspace, environment, smoke_config

TARGET = "results/smoke/pixels/val.safetensors"
BAR = re.compile(r"[━─]{8}")


@pytest.fixture
def workspace(tmp_path) -> Workspace:
    return Workspace.fresh(tmp_path / "workspace", smoke_config())


def in_terminal(workspace: Workspace, *arguments: str, **how) -> Seen:
    return run_in_terminal(workspace.command(*arguments), workspace.folder, environment(), **how)


def in_pipe(workspace: Workspace, *arguments: str, **more: str) -> tuple[int, str]:
    command = workspace.command(*arguments)
    done = subprocess.run(
        command, cwd=workspace.folder, env=environment() | more, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    )
    return done.returncode, done.stdout.decode()


def logs_of_snakemake(workspace: Workspace) -> str:
    return "".join(log.read_text() for log in Path(workspace.folder, ".snakemake", "log").glob("*.log"))


def with_a_bad_image(workspace: Workspace, images: Path) -> None:
    """A folder of images of which the first job cannot read one."""
    for name in ("cat", "dog"):
        (images / name).mkdir(parents=True)
        for number in range(30):
            Image.new("L", (8, 8), number).save(images / name / f"{number}.png")
    (images / "cat" / "broken.png").write_bytes(b"no image")
    dataset = {"kind": "folder", "name": "smoke", "path": str(images), "resolution": 32}
    workspace.configure(smoke_config() | {"dataset": dataset})


def test_a_terminal_shows_one_screen_which_goes_when_the_run_is_done(workspace):
    seen = in_terminal(workspace, "--cores", "1", "--", TARGET)
    assert seen.status == 0, seen.last
    screens = ["\n".join(frame) for frame in seen.frames]
    assert any(re.search(r"^data +[━─]+ \d/3  1 running$", screen, re.M) for screen in screens)
    assert any(re.search(r"^ +0:\d\d  build_manifest", screen, re.M) for screen in screens)
    assert any(re.search(r"^\d of 3 jobs, .* so far", screen, re.M) for screen in screens)
    assert max(sum(map(bool, map(BAR.search, frame))) for frame in seen.frames) == 2  # of the data, and of all
    assert "All 3 jobs are done" in seen.last
    assert not BAR.search(seen.last)
    assert seen.text.count("\x1b[?25h") >= seen.text.count("\x1b[?25l")  # the cursor is there again
    # What Snakemake and the jobs say is in their logs, and not here.
    for words in ("rule build_manifest:", "Select jobs to execute"):
        assert words not in seen.text
        assert words in logs_of_snakemake(workspace)
    log = workspace.results("smoke", "logs", "build_manifest.log").read_text()
    assert "checking" in log
    assert re.search(r"Snakemake's log: \.snakemake/log/\S+\.log", seen.last.replace("\n", ""))


def test_a_narrow_terminal_shows_a_failure_at_once_and_at_the_end(workspace, tmp_path):
    with_a_bad_image(workspace, tmp_path / "images")
    seen = in_terminal(workspace, "--cores", "1", "--", TARGET, width=40, height=12)
    assert seen.status == 1
    assert all(len(line) <= 40 for frame in seen.frames for line in frame)
    said = "retort: build_manifest: 1 of 61 images cannot be read: - "
    assert said in seen.sentences
    assert "broken.png" in seen.last.replace("\n", "")
    assert seen.sentences.count("log: results/smoke/logs/build_manifest.log") == 2
    assert "1 of 2 jobs failed, and 0 are done" in seen.sentences
    assert "build_manifest: 1 of 61 images cannot be read log: " in seen.sentences
    assert "1 job did not run, because it needs what failed" in seen.sentences
    assert "run the same command again" in seen.sentences
    assert "Traceback" not in seen.text
    assert "returned non-zero exit status" not in seen.text
    assert "returned non-zero exit status" in logs_of_snakemake(workspace)


def test_without_a_terminal_there_are_plain_lines(workspace):
    status, output = in_pipe(workspace, "--cores", "1", "--", TARGET)
    assert status == 0, output
    assert not re.search(r"[\x1b\r━─]", output)
    assert "3 jobs (data 3). Snakemake's log: .snakemake/log/" in output
    assert "All 3 jobs are done" in output
    assert "rule build_manifest:" not in output
    again = in_pipe(workspace, "--cores", "1", "--", TARGET)[1]
    assert "Nothing to be done" in again


def test_a_failure_is_one_line_where_there_is_no_terminal(workspace, tmp_path):
    with_a_bad_image(workspace, tmp_path / "images")
    status, output = in_pipe(workspace, "--cores", "1", "--", TARGET)
    assert status == 1
    assert re.findall(r"^retort: (.*)\n  - \S+broken\.png", output, re.M) == [
        "build_manifest: 1 of 61 images cannot be read:"
    ]
    assert "  log: results/smoke/logs/build_manifest.log" in output
    assert "\x1b" not in output


@pytest.mark.parametrize("way", ["a dry run", "a bad config", "an unknown target", "all words"])
def test_snakemakes_own_words_stay_where_nothing_is_run_or_all_is_wanted(workspace, way):
    arguments = ["--dry-run", "--", TARGET]
    if way == "a bad config":
        workspace.configure(smoke_config() | {"nonsense": 1})
        arguments = ["--cores", "1", "--", TARGET]
    elif way == "an unknown target":
        arguments = ["--cores", "1", "--", "d3rh"]
    elif way == "all words":
        arguments = ["--dry-run", "--verbose", "--", TARGET]
    status, output = in_pipe(workspace, *arguments)
    assert (status, steady(output)) == (status, steady(in_pipe(workspace, *arguments, RETORT_OUTPUT="snakemake")[1]))
    assert {"a bad config": "nonsense", "an unknown target": "d3rh"}.get(way, "build_manifest") in output


def steady(output: str) -> list[str]:
    """The lines of Snakemake's output without what changes with the time, the process and the order of a set."""
    lines = (
        re.sub(r"\d\d:\d\d:\d\d|[0-9a-f]{8}-[0-9a-f-]{27}|0x[0-9a-f]+|\d+\.\d+", "N", line)
        for line in output.splitlines()
    )
    return sorted(line for line in lines if not line.startswith(("[", "Elapsed", "Complete")))


def test_with_verbose_snakemake_speaks_for_itself(workspace):
    output = in_pipe(workspace, "--cores", "1", "--verbose", "--", "results/smoke/images")[1]
    assert "rule export_images:" in output
    assert "1 of 1 steps (100%) done" in output


def test_a_run_that_is_interrupted_says_how_far_it_was(workspace):
    workspace.edit("workflow/run.py", "call(snakemake)", "import time; time.sleep(12); call(snakemake)")
    seen = in_terminal(workspace, "--cores", "1", "--", TARGET, interrupt_at="build_manifest")
    assert seen.status != 0
    assert re.search(r"The run was stopped: \d of 3 jobs are done", seen.last)
    assert "Run the same command again to continue" in seen.sentences
    assert not BAR.search(seen.last.split("The run was stopped")[1])


def test_a_run_survives_its_display(workspace):
    workspace.edit(
        "workflow/retort/running/progress/screen.py", "    total = _total(run, now, size)", "    total = 1 / 0"
    )
    seen = in_terminal(workspace, "--cores", "1", "--", TARGET)
    assert seen.status == 0
    assert "The display of progress failed (ZeroDivisionError: division by zero)" in seen.sentences
    assert "rule build_manifest:" in seen.last
    assert Path(workspace.folder, TARGET).exists()


def test_the_end_shows_the_short_table_and_where_the_rest_is(finished, tmp_path):
    twin = finished.twin(tmp_path / "twin")
    shutil.rmtree(twin.results("figures"))
    twin.results("accuracy.md").unlink()
    seen = in_terminal(twin, "--cores", "2", "all", width=80)
    assert seen.status == 0
    table = seen.last[seen.last.index("Top-1 test accuracy in per cent") :]
    assert re.search(r"^method +IPC 2 +IPC 2 +IPC 1$", table, re.M)
    assert re.search(r"^random +[\d.]+ ± [\d.]+ +[\d.]+ ± [\d.]+$", table, re.M)
    assert max(map(len, table.splitlines()[:18])) <= 80
    assert "Pictures:    results/figures/smoke/" in table
    assert "snakemake report_page --configfile experiment.yaml --cores 2" in table
    # A run that finds all done shows the same.
    again = in_pipe(twin, "--cores", "2", "all")[1]
    assert "Nothing to be done" in again
    assert table.splitlines()[0] in again
