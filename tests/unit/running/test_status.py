"""The view of a run: what a log says, which state a job is in, and how all of them are shown."""

import os
import socket
import subprocess
import sys
from datetime import datetime, timedelta
from pathlib import Path
from types import SimpleNamespace

import pytest
from tests.helpers.fake_jobs import fake_job
from tqdm import tqdm

import status
from retort.artifacts.job_logs import DONE, failure, opening
from retort.base.errors import RetortError
from retort.running.job import job
from retort.running.status.jobs import KILLED, Run, SeenJob, State, WantedJob, locked_since, look
from retort.running.status.logs import progress, read_log
from retort.running.status.reasons import FOLLOWS, changed_settings, reasons
from retort.running.status.replaced import COSTLY, Finished, replaced, seconds_of
from retort.running.status.table import coloured, report

HOST, NOW = "node7", datetime.now().astimezone()


def write_log(path: Path, *lines: str, host: str = HOST, hours: float = 0) -> Path:
    """A log of a job on `host`, last written to so many hours ago."""
    first = f"retort: train_vae model=vae on {host}, pid 1, started {NOW.isoformat(timespec='seconds')}"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join([first, *lines]) + "\n")
    then = NOW.timestamp() - 3600 * hours
    os.utime(path, (then, then))
    return path


# ---------------------------------------------------------------- logs


def test_a_log_that_a_job_wrote_is_read_back(tmp_path, capsys):
    with job(fake_job(tmp_path / "log", "write_set", wildcards={"method": "d3hr", "ipc": "10"})):
        running = read_log(tmp_path / "log")
        for _ in tqdm(range(4), desc="writing", unit="image", mininterval=0):
            far = read_log(tmp_path / "log").progress
    ended = read_log(tmp_path / "log")
    assert (running.job, running.host, running.pid) == (
        "write_set method=d3hr ipc=10",
        socket.gethostname(),
        os.getpid(),
    )
    assert abs(running.started.timestamp() - (tmp_path / "log").stat().st_mtime) < 60
    assert (running.progress, running.error, running.done) == (None, None, False)
    assert far.startswith("writing: 75%, 3/4, ")
    assert far.endswith(" left")
    assert "image/s" in far
    assert (ended.error, ended.done) == (None, True)
    assert ended.progress.startswith("writing: 100%, 4/4, ")


def fail(log: Path, error: Exception) -> None:
    """A job that says something like an error, and then ends with one."""
    with job(fake_job(log, "build_manifest")):
        print("retort: build_manifest: not yet")
        raise error


@pytest.mark.parametrize("message", ["class ant: wrong", "2 images cannot be read:\n  - a.png: empty\n  - b.png: cut"])
def test_the_error_of_a_log_is_what_the_job_said_at_last(tmp_path, message):
    with pytest.raises(SystemExit):
        fail(tmp_path / "log", RetortError(message))
    ended = read_log(tmp_path / "log")
    assert (ended.error, ended.done) == (message, False)


def test_an_error_that_nobody_foresaw_is_told_without_its_traceback(tmp_path):
    with pytest.raises(SystemExit):
        fail(tmp_path / "log", KeyError("x"))
    assert read_log(tmp_path / "log").error.startswith("KeyError: 'x'")
    assert "\n" not in read_log(tmp_path / "log").error


@pytest.mark.parametrize("content", [None, "", "step 1\nstep 2\n", "\udcff\n"], ids=["none", "empty", "foreign", "odd"])
def test_what_is_no_log_of_ours_is_none(tmp_path, content):
    if content is not None:
        (tmp_path / "log").write_text(content, errors="surrogateescape")
    assert read_log(tmp_path / "log") is None


def test_the_end_of_a_long_log_is_found(tmp_path):
    bars = [f"x: {n}%|##| {n}/100 [00:01<00:09, 1.00step/s]" for n in range(100)] * 50
    found = read_log(write_log(tmp_path / "log", *bars, failure("train_vae", "lost")))
    assert (found.error, found.progress) == ("lost", "x: 99%, 99/100, 1.00step/s, 00:09 left")


TRAINING = "training the DiT:  45%|####5     | 900/2000 [00:45<00:55, 20.01step/s, loss=0.1234]"
TRAINED = "training the DiT: 45%, 900/2000, 20.01step/s, 00:55 left"


@pytest.mark.parametrize(
    ("line", "said"),
    [
        (TRAINING, TRAINED),
        (TRAINING.replace("#", "█").replace("5  ", "▌  "), TRAINED),
        ("sampling:   0%|          | 0/7 [00:00<?, ?batch/s]", "sampling: 0%, 0/7, ?batch/s, ? left"),
        (" 50%|#####     | 1/2 [1:02:03<1:02:03, 9.0s/shard]", "progress: 50%, 1/2, 9.0s/shard, 1:02:03 left"),
        ("exporting: 512image [00:02, 230.11image/s]", "exporting: 512image, 230.11image/s"),
        ("vae: 24.1 dB PSNR on the validation images", None),
        ("| method | 45% | [x, y] |", None),
        ("", None),
    ],
)
def test_progress_lines_are_told_in_words_and_nothing_else_is(line, said):
    assert progress(line) == said


# ---------------------------------------------------------------- states


def run(alive: bool = False, locked_hours: float | None = None) -> Run:
    locked = None if locked_hours is None else NOW.timestamp() - 3600 * locked_hours
    return Run(HOST, locked, lambda pid, started: alive)


def wanted(log: Path | None, *reasons: str, there: bool = False) -> WantedJob:
    return WantedJob("train_vae", str(log) if log else None, there, reasons)


def state_of(log: Path | None, seen: Run, *reasons: str, there: bool = False) -> str:
    return look(wanted(log, *(reasons or ("output files have to be generated",)), there=there), seen).state


ERROR = failure("train_vae", "class ant: wrong")


def test_a_job_without_a_reason_to_run_is_done_whatever_its_log_says(tmp_path):
    assert look(wanted(write_log(tmp_path / "log", ERROR)), run()).state == "done"
    assert look(wanted(None), run()).state == "done"


def test_a_job_that_has_to_run_is_stale_where_its_outputs_are_and_waits_where_not(tmp_path):
    for log in (None, tmp_path / "none", write_log(tmp_path / "log", f"{DONE} 1.0 s")):
        assert state_of(log, run()) == "waiting"
        assert state_of(log, run(), "its settings changed", there=True) == "stale"


@pytest.mark.parametrize(
    ("host", "alive", "locked", "state"),
    [
        (HOST, True, 2, "running"),
        (HOST, True, None, "running"),
        (HOST, False, 2, "failed"),  # killed, and its run perhaps too
        (HOST, False, None, "failed"),
        ("node8", False, 2, "running"),  # only the lock tells of other machines
        ("node8", True, None, "failed"),
    ],
)
def test_a_log_without_an_end_is_of_a_running_job_as_long_as_something_lives(tmp_path, host, alive, locked, state):
    log = write_log(tmp_path / "log", "halfway", host=host)
    seen = look(wanted(log, "missing"), run(alive, locked))
    assert seen.state == state
    assert seen.error == (KILLED if state == "failed" else None)


def test_a_job_that_ended_with_an_error_has_failed_until_a_new_run_begins(tmp_path):
    log = write_log(tmp_path / "log", ERROR, hours=1)
    assert look(wanted(log, "missing"), run()).error == "class ant: wrong"
    assert state_of(log, run(locked_hours=2)) == "failed"  # in the run that is going on
    assert state_of(log, run(locked_hours=0.5)) == "waiting"  # before it: it will be tried again
    killed = write_log(tmp_path / "killed", "halfway", hours=1)
    assert state_of(killed, run(locked_hours=2)) == "failed"
    assert state_of(killed, run(locked_hours=0.5), "x", there=True) == "stale"


def test_the_lock_is_snakemakes(tmp_path):
    assert locked_since(tmp_path) is None
    (tmp_path / ".snakemake" / "locks").mkdir(parents=True)
    assert locked_since(tmp_path) is None
    for number, hours in enumerate((3, 2)):
        lock = tmp_path / ".snakemake" / "locks" / f"{number}.input.lock"
        lock.touch()
        os.utime(lock, (NOW.timestamp() - 3600 * hours,) * 2)
    assert locked_since(tmp_path) == pytest.approx(NOW.timestamp() - 3 * 3600)


# ---------------------------------------------------------------- the table


def many(tmp_path: Path) -> list[SeenJob]:
    running = write_log(tmp_path / "running", TRAINING, hours=0.5)
    failed = write_log(tmp_path / "failed", failure("train_vae", "2 images cannot be read:\n  - a\n  - b"))
    killed = write_log(tmp_path / "killed", TRAINING)
    stale = WantedJob("prepare", None, True, ("its code changed",))
    after = WantedJob("train_vae", None, True, (FOLLOWS,))
    jobs = [look(job, run()) for job in (WantedJob("prepare", None, True, ()), stale, stale, after)]
    for log in (running, failed, killed):
        jobs.append(look(WantedJob("train_vae", str(log), False, ("missing",)), run(alive=log == running)))
    jobs.append(look(WantedJob("draw", None, False, ("missing",)), run()))
    assert [seen.state for seen in jobs] == [
        "done",
        "stale",
        "stale",
        "stale",
        "running",
        "failed",
        "failed",
        "waiting",
    ]
    return jobs


def test_the_table_counts_by_stage_and_in_all(tmp_path):
    lines = report(many(tmp_path), locked=True, now=NOW.timestamp()).splitlines()
    rows = {cells[0]: cells[1:] for line in lines[:6] if (cells := [c.strip() for c in line.strip("|").split("|")])}
    assert rows["stage"] == ["done", "running", "stale", "failed", "waiting", "all"]
    assert list(rows)[2:] == ["prepare", "train_vae", "draw", "all"]  # in the order of the work
    assert rows["prepare"] == ["1", "", "2", "", "", "3"]
    assert rows["train_vae"] == ["", "1", "1", "2", "", "4"]
    assert rows["all"] == ["1", "1", "3", "2", "1", "8"]
    assert len({len(line) for line in lines[:6]}) == 1
    assert "1 of 8 jobs are done." in lines


def test_what_runs_failed_and_is_stale_is_listed_with_what_is_known(tmp_path):
    said = report(many(tmp_path), locked=True, now=NOW.timestamp())
    since = NOW.strftime("%Y-%m-%d %H:%M")
    assert f"Running:\n\n- train_vae model=vae, on node7 since {since}: {TRAINED}; silent for 30 minutes\n" in said
    assert f"- train_vae model=vae: 2 images cannot be read:\n    - a\n    - b\n  log: {tmp_path / 'failed'}\n" in said
    assert f"- train_vae model=vae: {KILLED} (last: {TRAINED})\n  log: {tmp_path / 'killed'}\n" in said
    stale = "- prepare: 2 jobs, its code changed\n- 1 job of later stages, because what it reads will be made again\n"
    assert said.endswith(f"Stale:\n\n{stale}")


def test_lists_without_entries_are_left_out_and_a_lock_is_explained():
    done, waiting = (SeenJob(WantedJob("draw", None, True, ()), state) for state in (State.DONE, State.WAITING))
    said = report([done], locked=False)
    assert said.endswith("\n\n1 of 1 jobs are done.\n")
    assert len(said.splitlines()) == 5  # heads, a rule, one stage, nothing, the sentence
    assert "snakemake --unlock" in report([waiting], locked=True)
    assert "snakemake --unlock" not in report([waiting], locked=False)


def test_colours_change_nothing_but_the_colour(tmp_path):
    jobs = many(tmp_path)
    painted, bare = report(jobs, True, coloured, NOW.timestamp()), report(jobs, True, now=NOW.timestamp())
    for code in ("32", "36", "33", "31", "0"):
        assert f"\033[{code}m" in painted
        painted = painted.replace(f"\033[{code}m", "")
    assert painted == bare


# ---------------------------------------------------------------- the command, as far as it needs no workflow


def test_a_process_is_alive_if_it_is_and_is_not_a_later_one_of_the_same_number():
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    assert status.alive(os.getpid(), NOW)
    assert not status.alive(os.getpid(), NOW - timedelta(days=3650))  # that one ran before this machine
    assert not status.alive(ended.pid, NOW)


def reason(*names: str, before: str = "", now: str = "") -> SimpleNamespace:
    """Snakemake's; `before` and `now` are of a parameter that changed."""
    params = SimpleNamespace(only_old={before}, only_new={now}) if before else None
    names = (*names, *(["params have changed since last execution"] if before else []))
    return SimpleNamespace(get_names=lambda: iter(names), params_changed=params)


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (reason("updated input files"), ("updated input files",)),
        (reason("forced"), ("Snakemake did not see it end",)),
        (reason("input files updated by another job"), ("what it reads will be made again",)),
        (reason(before="'0123456789ab'", now="'ba9876543210'"), ("its code changed",)),
        (reason(before="{'steps': 2}", now="{'steps': 3}"), ("its settings changed",)),
        (reason(), ("others need it again",)),
    ],
)
def test_reasons_are_told_in_the_words_of_the_readme(given, said):
    assert reasons(given) == said


def test_the_opening_of_a_log_names_every_wildcard():
    assert opening("x", {"a": "1", "b": "c d"}).startswith(f"retort: x a=1 b=c d on {socket.gethostname()}, pid ")


# ---------------------------------------------------------------- what a run would replace


@pytest.mark.parametrize(
    ("before", "now", "said"),
    [
        ("{'steps': 2, 'guidance': 4.0}", "{'steps': 2, 'guidance': 2.0}", "guidance 4.0 -> 2.0"),
        ("{'umap': {'neighbors': 15}}", "{'umap': {'neighbors': 85}}", "neighbors 15 -> 85"),
        (
            "{'a': 1, 'b': 1, 'c': 1, 'd': 1}",
            "{'a': 2, 'b': 2, 'c': 2, 'd': 2}",
            "a 1 -> 2, b 1 -> 2, c 1 -> 2 and 1 more",
        ),
        ("{'a': 1}", "{'b': 2}", "a 1 -> none, b none -> 2"),
        ("32", "64", "32 -> 64"),
        ("'0123456789ab'", "'ba9876543210'", ""),
    ],
)
def test_settings_that_changed_are_named_before_and_now(before, now, said):
    assert changed_settings(reason(before=before, now=now)) == said
    assert changed_settings(reason()) == ""


def test_a_setting_of_two_tables_hides_neither():
    tables = ["{'dtype': 'float32', 'kind': 'dit'}", "{'dtype': 'float32', 'resolution': 256}"]
    changed = [text.replace("float32", other) for text, other in zip(tables, ("bfloat16", "float16"), strict=True)]
    params = SimpleNamespace(only_old=set(tables), only_new=set(changed))
    found = changed_settings(SimpleNamespace(get_names=lambda: iter(()), params_changed=params))
    assert found == "dtype float32 and float32 -> bfloat16 and float16"


def test_what_took_long_is_said_by_stage_and_cause_and_the_rest_is_not():
    shards = [Finished("invert_latents", f"inversion/ddim/{n}", 3600.0, "its code changed") for n in range(3)]
    other = Finished("train_dit", "models/dit", COSTLY, "its settings changed (steps 2 -> 3)")
    quick = Finished("draw_accuracy", "accuracy.png", COSTLY - 1, "its code changed")
    assert replaced([*shards, other, quick]) == [
        "invert_latents: 3 results (inversion/ddim/0, ...) are finished and will be replaced, 3:00:00 of work last "
        "time: its code changed",
        "train_dit: models/dit is finished and will be replaced, 0:01:00 of work last time: its settings changed "
        "(steps 2 -> 3)",
    ]


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("s\th:m:s\n12.5\t0:00:12\n", 12.5), ("s\n1\n2\n", 2.0), ("", 0.0), ("s\n-\n", 0.0), ("x\n1\n", 0.0)],
)
def test_what_a_job_took_is_read_where_it_was_measured(tmp_path, text, seconds):
    (tmp_path / "job.tsv").write_text(text)
    assert seconds_of(str(tmp_path / "job.tsv")) == seconds
    assert seconds_of(None) == seconds_of(str(tmp_path / "none.tsv")) == 0
