"""Every stage is killed, stopped, left without disk, robbed of its input while it works; the results are the same."""

import os
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from tests.helpers.workspace import REPOSITORY, Workspace, environment

from .conftest import TARGETS

pytestmark = [pytest.mark.survive, pytest.mark.timeout(4800)]

# Of students, finished ones are kept, and the others resume: tests/unit/stages/test_resumed_students.py. A training of
# which another fault removed an input, in these folders, is another one, and starts again.
TRAININGS = {"train_vae": ("pixels",), "train_dit": ("latents", "models"), "train_teacher": ("pixels",)}
ALONE = ("killed", "terminated", "full", "readonly")
TOGETHER = ("allkilled", "allterminated")  # the whole run ends, and an input is gone when it goes on; one a stage


def mount(*words: str | Path) -> None:
    """Skips the test, aloud, on a machine that lets nobody mount anything."""
    done = subprocess.run(["mount", *words], capture_output=True, text=True)
    if done.returncode:
        pytest.skip(f"nothing can be mounted here: {done.stderr.strip()}")


@contextmanager
def small_disk(folder: Path, size: str) -> Iterator[None]:
    """An empty disk of its own under a folder."""
    folder.mkdir(exist_ok=True)
    mount("-t", "tmpfs", "-o", f"size={size}", "tmpfs", folder)
    try:
        yield
    finally:
        subprocess.run(["umount", "--lazy", folder], check=True)


def plant(workspace: Workspace, stages: list[str], most: int) -> list[str]:
    """Put the faults where `sabotage` finds them; their names. At most so many a stage, others in the next stage."""
    (workspace.folder / "faults" / "met").mkdir(parents=True)
    shutil.copy(REPOSITORY / "tests/helpers/sabotage.py", workspace.folder / "workflow" / "sitecustomize.py")
    planted = []
    for place, stage in enumerate(stages):
        kinds = [*ALONE, TOGETHER[place % len(TOGETHER)]]
        taken = [kinds[(place * most + n) % len(kinds)] for n in range(min(most, len(kinds)))]
        planted += [f"{stage}.{n}.{kind}" for n, kind in enumerate(taken)]
    for name in planted:
        (workspace.folder / "faults" / name).touch()
    return planted


def run_once(workspace: Workspace) -> tuple[int, str]:
    """Exit status and output of a run in a process group of its own, so that a fault may kill all of it.

    One that does not end for a minute after all of it was asked to is killed, as a cluster does: Snakemake's handler of
    SIGTERM waits for a lock, for ever where the code that it interrupts holds it.
    """
    command = workspace.command(
        "--cores", "2", "--retries", "8", "--set-resources", "train_students:checkpoint_seconds=0", "--", *TARGETS
    )
    with open(workspace.folder / "output.txt", "w+") as output:
        process = subprocess.Popen(
            command, cwd=workspace.folder, env=environment(), stdout=output, stderr=output, start_new_session=True
        )
        began, asked = time.time(), workspace.folder / "faults" / "met"
        while process.poll() is None:
            assert time.time() < began + 1500, "the run does not end"
            stops = [path.stat().st_ctime for path in asked.glob("*.allterminated")]
            if any(began < stop < time.time() - 60 for stop in stops):
                os.killpg(process.pid, signal.SIGKILL)
            time.sleep(0.2)
        output.seek(0)
        return process.returncode, output.read()


def run_to_the_end(workspace: Workspace) -> int:
    """Start again for as long as runs end early by a fault; how often that was."""
    restarts, left = 0, len(list((workspace.folder / "faults").glob("*.*.*")))
    while True:
        status, output = run_once(workspace)
        if status == 0:
            return restarts
        before, left = left, len(list((workspace.folder / "faults").glob("*.*.*")))
        assert left < before, f"ended with {status} although no fault was met:\n{output[-6000:]}"
        workspace.run("--unlock")
        restarts += 1


def in_group(leader: int) -> list[int]:
    """Processes that are left of a process group."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        with suppress(ProcessLookupError):  # it ended just now
            if os.getpgid(int(folder.name)) == leader:
                found.append(int(folder.name))
    return found


def test_every_stage_survives_every_fault(undisturbed, tmp_path, count, request):
    workspace = Workspace.fresh(tmp_path / "sabotaged", undisturbed.config)
    stages = sorted(p.name for p in undisturbed.results("smoke", "benchmarks").iterdir())
    with small_disk(workspace.results(), "1G"):
        planted = plant(workspace, stages, request.config.getoption("--faults"))
        restarts = run_to_the_end(workspace)
        met = sorted(path.name for path in (workspace.folder / "faults" / "met").iterdir())
        assert met == sorted(planted)
        assert workspace.contents() == undisturbed.contents()
        assert list(workspace.results().rglob("*.part")) == []
        assert workspace.planned(*TARGETS) == {}
        removed = (workspace.folder / "faults" / "removed.txt").read_text().splitlines()
        gone = {Path(path).parts[2] for path in removed if path.startswith("results/smoke/")}
        for training, inputs in TRAININGS.items():
            faults = {fault.split(".")[2] for fault in met if fault.startswith(training)}
            if faults & set(ALONE) and not gone & set(inputs):
                assert "resuming from step" in (workspace.folder / "faults" / f"{training}.log").read_text(), training
    count("faults injected and survived", len(met))
    count("  stages that met them", len(stages))
    count("  whole runs that ended early and went on", restarts)
    count("  inputs removed under a running job", len(removed))


def test_a_read_only_results_folder_is_said_and_harms_nothing(undisturbed, tmp_path, count):
    workspace = undisturbed.twin(tmp_path / "twin")
    before, folder = workspace.contents(), workspace.results()
    mount("--bind", folder, folder)
    try:
        mount("-o", "remount,bind,ro", folder)
        output = workspace.run("--cores", "1", "--forcerun", "tabulate_accuracy", succeeds=False)
        assert "Write-protected output files" in output
    finally:
        subprocess.run(["umount", "--lazy", folder], check=True)
    assert workspace.contents() == before
    workspace.run("--cores", "2", *TARGETS)
    assert workspace.contents() == before
    count("faults injected and survived")


@pytest.mark.parametrize("signal_sent", [signal.SIGTERM, signal.SIGINT], ids=["SIGTERM", "SIGINT"])
def test_a_run_that_is_asked_to_stop_leaves_no_job_behind_and_goes_on(undisturbed, tmp_path, signal_sent, count):
    workspace = undisturbed.twin(tmp_path / "twin")
    before = workspace.contents()
    shutil.rmtree(workspace.results("smoke", "models", "dit"))
    process = subprocess.Popen(
        workspace.command("--cores", "2", "results/smoke/models/dit"), cwd=workspace.folder, env=environment(),
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True,
    )  # fmt: skip
    checkpoint = workspace.results("smoke", "checkpoints", "dit.safetensors")
    while not checkpoint.exists():
        assert process.poll() is None, "the run ended without a checkpoint"
    process.send_signal(signal_sent)
    status = process.wait(timeout=300)
    assert in_group(process.pid) == []
    ended = workspace.results("smoke", "models", "dit").exists()  # Snakemake lets running jobs end, if they are short
    assert ended or status != 0
    workspace.run("--cores", "2", "results/smoke/models/dit")
    log = workspace.results("smoke", "logs", "train_dit", "dit.log").read_text()
    assert ended or "resuming from step" in log
    assert workspace.contents() == before
    count("faults injected and survived")
