"""The view of a run, beside real ones: finished, changed, failed, running."""

import csv
import os
import subprocess
import sys
from pathlib import Path

from retort.artifacts.job_logs import opening
from tests.helpers.workspace import Workspace, environment

PICTURE, LOG = "results/figures/smoke/accuracy.png", "results/smoke/logs/draw_accuracy.log"


def status(workspace: Workspace, *arguments: str) -> str:
    command = [sys.executable, "workflow/status.py", "--configfile", "experiment.yaml", *arguments]
    done = subprocess.run(command, cwd=workspace.folder, env=environment(), capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    return done.stdout


def counted(said: str) -> dict[str, dict[str, int]]:
    """Stage -> state -> jobs, where there are any."""
    heads, _, *rows = ([cell.strip() for cell in line.split("|")[1:-1]] for line in said.splitlines() if "|" in line)
    return {row[0]: {h: int(n) for h, n in zip(heads[1:], row[1:], strict=True) if n} for row in rows}


def trainings(workspace: Workspace) -> int:
    """Jobs that train students: each makes one row of the table."""
    with open(workspace.results("accuracy.csv")) as table:
        return len(list(csv.DictReader(table)))


def files(workspace: Workspace) -> dict[str, int]:
    return {str(path): path.stat().st_mtime_ns for path in workspace.folder.rglob("*") if path.is_file()}


def test_a_finished_run_is_done_and_looking_writes_nothing(twin):
    before = files(twin)
    counts = counted(status(twin))
    assert {name: of_stage for name, of_stage in counts.items() if of_stage.keys() != {"done", "all"}} == {}
    assert counts["train_students"]["done"] == trainings(twin)
    written = {path for path, time in files(twin).items() if before.get(path) != time}
    assert {path for path in written if "__pycache__" not in path} == set()


def test_what_a_lost_output_and_a_changed_setting_ask_for_is_waiting_and_stale(twin):
    students = trainings(twin)
    twin.results("accuracy.csv").unlink()
    counts = counted(status(twin))
    assert counts["tabulate_accuracy"] == {"waiting": 1, "all": 1}
    assert counts["draw_accuracy"] == {"stale": 1, "all": 1}
    assert counts["train_students"] == {"done": students, "all": students}
    twin.config["protocols"]["hard"]["evaluations"] += 1
    twin.configure(twin.config)
    said = status(twin, "--output", "results/status.md")
    assert said == ""
    said = twin.results("status.md").read_text()
    assert counted(said)["train_students"]["stale"] > 1
    assert "jobs, its settings changed" in said
    only = counted(status(twin, "--", PICTURE))
    assert "draw_gallery" not in only
    assert only["draw_accuracy"]["stale"] == 1


def test_what_took_long_and_will_be_replaced_is_said_before_it_is_lost(twin):
    assert "Nothing that is finished" in status(twin, "--replaced")
    benchmark = next(twin.results("smoke", "benchmarks", "train_dit").glob("*.tsv"))
    heads, values = benchmark.read_text().splitlines()[:2]
    times = benchmark.stat()
    benchmark.write_text("\n".join([heads, "\t".join(["7200.0", *values.split("\t")[1:]])]) + "\n")
    os.utime(benchmark, ns=(times.st_atime_ns, times.st_mtime_ns))
    twin.config["models"]["dit"]["train"]["steps"] += 1
    twin.configure(twin.config)
    words = (
        "train_dit: results/smoke/models/dit is finished and will be replaced, 2:00:00 of work last time: its settings "
    )
    words += "changed (steps 60 -> 61)"
    assert status(twin, "--replaced").splitlines() == [words]
    output = twin.run("--cores", "2", "--", "results/smoke/models/dit")
    assert output.index(words) < output.index("done, in")


def test_a_failed_job_is_shown_with_its_error_and_its_log_until_it_is_done(twin):
    table = twin.results("accuracy.csv")
    whole, times = table.read_text(), table.stat()
    table.write_text("nothing\n")
    os.utime(table, ns=(times.st_atime_ns, times.st_mtime_ns))
    Path(twin.folder, PICTURE).unlink()
    twin.run("--cores", "1", "--", PICTURE, succeeds=False)
    said = status(twin)
    assert counted(said)["draw_accuracy"] == {"failed": 1, "all": 1}
    failed = said[said.index("Failed:") :]
    assert "- draw_accuracy: " in failed
    assert "KeyError" in failed
    assert f"log: {LOG}" in failed
    table.write_text(whole)
    os.utime(table, ns=(times.st_atime_ns, times.st_mtime_ns))
    twin.run("--cores", "1", "--", PICTURE)
    assert counted(status(twin))["draw_accuracy"] == {"done": 1, "all": 1}


def test_a_job_that_runs_is_shown_with_its_progress_and_one_that_was_killed_as_failed(twin):
    Path(twin.folder, PICTURE).unlink()
    bar = "drawing:  45%|####5     | 9/20 [00:45<00:55,  1.10s/panel]\n"
    log = Path(twin.folder, LOG)
    log.write_text(opening("draw_accuracy", {}) + bar)  # of this process, which is alive
    said = status(twin)
    assert counted(said)["draw_accuracy"] == {"running": 1, "all": 1}
    assert "drawing: 45%, 9/20, 1.10s/panel, 00:55 left" in said
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    log.write_text(opening("draw_accuracy", {}).replace(f"pid {os.getpid()}", f"pid {ended.pid}") + bar)
    said = status(twin)
    assert counted(said)["draw_accuracy"] == {"failed": 1, "all": 1}
    assert "it ended without a word" in said


def test_a_view_beside_a_run_neither_waits_nor_disturbs_it(twin):
    Path(twin.folder, PICTURE).unlink()
    locks = Path(twin.folder, ".snakemake", "locks")
    locks.mkdir(exist_ok=True)  # Snakemake removes it with its last lock
    (locks / "0.input.lock").write_text("results/accuracy.csv\n")
    (locks / "0.output.lock").write_text(f"{PICTURE}\n")
    said = status(twin)
    assert counted(said)["draw_accuracy"] == {"waiting": 1, "all": 1}
    assert "snakemake --unlock" in said
    assert sorted(path.name for path in locks.iterdir()) == ["0.input.lock", "0.output.lock"]


def test_a_mistake_in_the_config_is_told_as_snakemake_tells_it(twin):
    twin.configure(twin.config | {"nonsense": 3})
    command = [sys.executable, "workflow/status.py", "--configfile", "experiment.yaml"]
    done = subprocess.run(command, cwd=twin.folder, env=environment(), capture_output=True, text=True, timeout=300)
    assert done.returncode == 1
    assert "unknown key 'nonsense'" in done.stderr
    assert done.stdout == ""
