"""How a run is counted, what the screen shows of it at every size, and what is said line by line."""

import io
import logging
import os
import sys
from types import SimpleNamespace

import pytest
from rich.text import Text
from snakemake.logging import DefaultFilter, DefaultFormatter, logger
from snakemake.settings.enums import Quietness
from snakemake_interface_logger_plugins.common import LogEvent
from tests.helpers.fake_jobs import fake_job

from retort.artifacts.job_logs import done, failure, opening
from retort.running.explained import explained
from retort.running.job import job as around
from retort.running.progress import handler, lines
from retort.running.progress.muted import NAME, is_muted, mute, unmute
from retort.running.progress.of_dag import run_of
from retort.running.progress.screen import Size, screen
from retort.running.progress.state import Job, Left, Room, Run, State, planned
from retort.running.progress.watching import was_stopped
from retort.running.progress.words import clock, duration, rate, time_left
from retort.running.status.jobs import KILLED

BEGAN = 1_000_000.0


def students(*ipcs: int) -> list[Job]:
    named = {"method": "d3hr", "protocol": "hard", "student": "resnet8"}
    return [Job("train_students", "evaluation", {**named, "ipc": str(ipc)}) for ipc in ipcs]


def a_run(*jobs: Job) -> Run:
    return planned(enumerate(jobs), BEGAN)


# ---------------------------------------------------------------- counting


def test_jobs_are_counted_by_room_and_by_what_became_of_them():
    run = a_run(Job("train_vae", "models"), *students(1, 1, 5))
    run.start(0, BEGAN)
    assert run.finish(0, BEGAN + 30).seconds == 30
    run.start(1, BEGAN + 30)
    run.start(2, BEGAN + 31)
    run.fail(2, "out of memory")
    assert run.rooms() == [Room("models", 1, 0, 0, 1), Room("evaluation", 0, 1, 1, 3)]
    assert [job.error for job in run.of(State.FAILED)] == ["out of memory"]
    assert run.a_minute(BEGAN + 60) == 1
    run.start(2, BEGAN + 70)  # tried again
    assert run.of(State.FAILED) == []
    assert [job.started for job in run.running] == [BEGAN + 30, BEGAN + 70]
    assert run.finish(99, BEGAN) is None  # of a part of the workflow that nobody counts


def test_the_time_left_is_that_of_similar_jobs_shared_by_as_many_as_ran_at_once():
    run = a_run(*students(1, 1, 5, 5, 1, 5))
    assert run.left(BEGAN) is None
    for number, seconds in ((0, 10), (2, 40)):
        run.start(number, BEGAN)
        run.finish(number, BEGAN + seconds)
    # Two of 10 s and two of 40 s are left; 50 s of work were done in 40 s, so 1.25 jobs at once.
    assert run.left(BEGAN + 40) == Left(pytest.approx(100 / 1.25), False)
    run.start(3, BEGAN + 40)
    left = run.left(BEGAN + 60).seconds  # 20 s of one of them have passed: 80 s of work; 70 s in 60 s so far
    assert left == pytest.approx(80 / (70 / 60))
    run.start(1, BEGAN + 60)
    assert run.left(BEGAN + 200).seconds >= 0  # one that takes longer than all before it leaves no negative time


def test_stages_that_nobody_measured_make_the_time_left_a_lower_bound():
    run = a_run(Job("build_manifest", "data"), *students(1, 1))
    run.start(0, BEGAN)
    run.finish(0, BEGAN + 6)
    assert run.left(BEGAN + 6) == Left(12.0, True)


def test_times_of_earlier_runs_are_used_until_there_are_new_ones():
    first, second = students(1, 1)
    run = planned([(0, first), (1, second)], BEGAN, [(first, 100.0), (first, 200.0)])
    assert run.left(BEGAN) == Left(300.0, False)
    run.start(0, BEGAN)
    run.finish(0, BEGAN + 10)
    assert run.left(BEGAN + 10) == Left(10.0, False)


def test_jobs_of_snakemakes_dag_are_counted_in_the_order_of_the_work(tmp_path):
    (tmp_path / "vae.tsv").write_text("s\th:m:s\n12.5\t0:00:12\n")
    table = dag_job("tabulate_accuracy", ["accuracy.csv"])
    vae = dag_job("train_vae", ["models/vae"], {"model": "vae"}, str(tmp_path / "vae.tsv"))
    there, target = dag_job("build_manifest", ["manifest"]), dag_job("all", [])
    dag = SimpleNamespace(
        jobs=[table, target, there, vae],
        needrun=lambda job: job is not there,
        jobid=[target, there, vae, table].index,
    )
    run = run_of(dag, {"build_manifest": "data", "train_vae": "models", "tabulate_accuracy": "tables"})
    assert [(number, job.name, job.room) for number, job in run.jobs.items()] == [
        (2, "train_vae vae", "models"),
        (3, "tabulate_accuracy", "tables"),
    ]
    assert run.times.of(run.jobs[2]) == 12.5


def dag_job(rule, output, wildcards=None, benchmark=None):
    named = SimpleNamespace(name=rule)
    return SimpleNamespace(rule=named, output=output, wildcards=wildcards or {}, log=[], benchmark=benchmark)


def test_times_and_rates_are_rounded_to_what_they_are_worth():
    assert [clock(s) for s in (-1, 5.9, 730, 10930)] == ["0:00", "0:05", "12:10", "3:02:10"]
    assert [duration(s) for s in (4.4, 47, 99, 500, 5400, 200_000)] == [
        "4 s",
        "50 s",
        "100 s",
        "8 min",
        "1.5 h",
        "2.31 days",
    ]
    assert [rate(r) for r in (None, 135.2, 2.04, 0.05)] == [
        "",
        "135 jobs a minute",
        "2 jobs a minute",
        "3 jobs an hour",
    ]
    assert [time_left(left) for left in (None, Left(40, True), Left(600, False))] == [
        "",
        "at least 40 s left",
        "about 10 min left",
    ]


# ---------------------------------------------------------------- the screen


def busy_run() -> Run:
    rooms = ["data", "models", "shared stages", "distilled sets", "evaluation", "tables", "pictures"]
    run = a_run(
        *(Job(f"stage_of_{room}", room, {"method": "d3hr-exact", "n": str(n)}) for room in rooms for n in range(40))
    )
    for number in range(100):
        run.start(number, BEGAN)
        run.finish(number, BEGAN + 5)
    for number in range(100, 112):
        run.start(number, BEGAN + number)
    run.fail(111, "an error")
    return run


@pytest.mark.parametrize("width", [20, 40, 80, 200])
@pytest.mark.parametrize("height", [3, 6, 12, 24, 60])
def test_the_screen_is_never_larger_than_the_terminal_and_always_says_how_far_the_run_is(width, height):
    run = busy_run()
    said = {id(job): "epoch 4/10, 01:00 left" for job in run.running}
    shown = screen(run, said, ".snakemake/log/a-long-name-of-a-log.snakemake.log", BEGAN + 200, Size(width, height))
    rows = shown.plain.split("\n")
    assert len(rows) < height
    assert max(map(len, rows)) <= width
    assert any(row.startswith("100 of 280 jobs") for row in rows)
    assert any(row.endswith(" 35%") for row in rows)
    if height >= 24 and width >= 40:
        assert sum(row.startswith(("data ", "pictures ")) for row in rows) == 2
        assert any("and 4 more" in row for row in rows)
        assert any("1 failed" in row for row in rows)
    if height >= 24 and width >= 80:
        assert any("stage_of_shared stages d3hr-exact 20  epoch 4/10, 01:00 left" in row for row in rows)


def test_a_terminal_that_knows_only_ascii_is_shown_nothing_else():
    shown = screen(busy_run(), {}, "a log " * 30, BEGAN + 200, Size(80, 24, unicode=False))
    assert shown.plain.isascii()
    assert "####" in shown.plain
    assert isinstance(shown, Text)
    assert shown.spans


def test_a_bar_is_full_when_all_is_done_and_not_before():
    run = a_run(*(Job("a", "data") for _ in range(1000)))
    for number in range(999):
        run.start(number, BEGAN)
        run.finish(number, BEGAN + 1)
    assert "─" in screen(run, {}, "log", BEGAN + 9, Size(80, 24)).plain.split("\n")[0]
    run.start(999, BEGAN)
    run.finish(999, BEGAN + 1)
    assert "─" not in screen(run, {}, "log", BEGAN + 9, Size(80, 24)).plain


# ---------------------------------------------------------------- lines


def test_an_error_of_many_lines_is_cut_and_names_its_log():
    job = Job("build_manifest", "data", error="\n".join(["60 images cannot be read:", *map(str, range(60))]))
    said = lines.failed(job, ["a.log", "slurm.log"]).splitlines()
    assert said[0] == failure("build_manifest", "60 images cannot be read:")
    assert said[-3:] == ["  ... and 41 more lines in its log", "  log: a.log", "  log: slurm.log"]


def test_the_end_lists_what_failed_and_counts_what_could_not_run():
    run = a_run(*students(1, 5), Job("tabulate_accuracy", "tables"))
    run.start(0, BEGAN)
    run.fail(0, "out of memory\nand more")
    run.jobs[0].log = "a.log"
    assert lines.ended(run, BEGAN + 65, False).splitlines() == [
        "1 of 3 jobs failed, and 0 are done, in 1:05:",
        "  train_students d3hr hard resnet8 1: out of memory",
        "    log: a.log",
        "2 jobs did not run, because they need what failed.",
        "What is done is kept: remove the cause, then run the same command again.",
    ]
    run.jobs[0].state = State.DONE
    assert lines.ended(run, BEGAN, True).startswith("The run was stopped: 1 of 3 jobs are done")


# ---------------------------------------------------------------- what Snakemake logs


@pytest.fixture
def default(monkeypatch):
    """Snakemake's own handler for the terminal, whose stream is not one."""
    found = logging.StreamHandler(io.StringIO())
    found.name, found.nocolor = "DefaultStreamHandler", True
    found.setFormatter(DefaultFormatter())
    found.addFilter(DefaultFilter(None, False, False, False, False))
    monkeypatch.setattr(logger, "handlers", [found])
    monkeypatch.setattr(logger, "level", logging.INFO)
    monkeypatch.setattr(handler, "BETWEEN", 0)
    yield found
    unmute()


def settings(**changes):
    usual = {"quiet": None, "dryrun": False, "verbose": False, "debug_dag": False, "printshellcmds": False}
    return SimpleNamespace(**usual | changes)


def begun(default, *jobs: Job, quiet=None, queued: bool = False) -> handler.Display:
    display = handler.attach(settings(quiet=quiet))
    display.begin(lambda: planned(enumerate(jobs), BEGAN), "the.log", queued)
    return display


def said(default) -> str:
    return default.stream.getvalue()


def log(event: LogEvent | None, message: str = "", level: int = logging.INFO, **facts) -> None:
    logger.log(level, message, extra={"event": event, **facts} if event else facts)


def job_failed(number: int, logs: list[str], message: str | None = None) -> None:
    log(LogEvent.JOB_ERROR, "Error in rule", logging.ERROR, jobid=number, log=logs, rule_msg=message)


@pytest.mark.parametrize(
    "changes",
    [{"dryrun": True}, {"verbose": True}, {"debug_dag": True}, {"printshellcmds": True}, {"quiet": {Quietness.ALL}}],
)
def test_snakemake_speaks_for_itself_where_it_is_asked_to(default, changes):
    assert handler.attach(settings(**changes)) is None
    assert logger.handlers == [default]


def test_a_plugin_that_writes_to_the_terminal_stays(default, monkeypatch):
    monkeypatch.setattr(logger, "handlers", [logging.NullHandler()])
    assert handler.attach(settings()) is None


def test_before_a_run_all_is_said_but_the_preamble_and_that_too_where_nobody_says_that_it_begins(default):
    handler.attach(settings())
    log(LogEvent.RUN_INFO, "Job stats:")
    log(None, "Building DAG of jobs...")
    log(LogEvent.ERROR, "WorkflowError: bad config", logging.ERROR)
    assert said(default) == "Building DAG of jobs...\nWorkflowError: bad config\n"
    facts = {"rule_msg": "makes it", "jobid": 0, "reason": "missing", "local": False}
    log(LogEvent.JOB_INFO, "Rule: a, Jobid: 0", **facts)
    assert said(default).index("Job stats:") < said(default).index("Job 0: makes it")


def test_jobs_that_end_are_lines_with_their_warnings_each_of_them_once(default, tmp_path):
    for name in ("a", "b"):
        (tmp_path / name).write_text(opening("write_set", {}) + "warning: too few images\nmore\n" + done(1))
    begun(default, *(Job("write_set", "sets", {"method": name}, str(tmp_path / name)) for name in ("a", "b")))
    for number in range(2):
        log(LogEvent.JOB_INFO, jobid=number)
        log(LogEvent.SHELLCMD, "Shell command: None")
        log(LogEvent.JOB_FINISHED, "Finished jobid", job_id=number)
        log(LogEvent.PROGRESS, done=number + 1, total=2)
    assert said(default).count("warning: too few images\n  (write_set a)") == 1
    assert said(default).count("warning") == 1
    assert "1 of 2 jobs" in said(default)
    assert "2 of 2 jobs" in said(default)
    assert "Shell" not in said(default)


def test_a_job_that_fails_is_said_in_the_words_of_its_log_or_else_of_who_ran_it(default, tmp_path):
    logs = [tmp_path / name for name in ("told", "killed", "lost", "well")]
    display = begun(default, *(Job(f"stage_{path.name}", "data", {}, str(path)) for path in logs), queued=True)
    for number in range(4):
        log(LogEvent.JOB_INFO, jobid=number)
    logs[0].write_text(opening("stage_told", {}) + failure("stage_told", "no image"))
    logs[1].write_text(opening("stage_killed", {}))
    logs[3].write_text(opening("stage_well", {}) + done(1))
    job_failed(0, [str(logs[0])])
    job_failed(1, [str(logs[1])])
    job_failed(2, ["slurm.log"], "SLURM-job '7' failed, SLURM status is: 'NODE_FAIL'.")
    job_failed(3, [str(logs[3])])  # of the same group as another one
    log(LogEvent.ERROR, "Command '...' returned non-zero exit status 1.", logging.ERROR)
    log(None, "Trying to restart job 0.")
    text = said(default)
    assert f"retort: stage_told: no image\n  log: {logs[0]}\n" in text
    assert f"retort: stage_killed: {KILLED}\n" in text
    assert "retort: stage_lost: SLURM-job '7' failed, SLURM status is: 'NODE_FAIL'.\n  log: slurm.log\n" in text
    assert "stage_well" not in text
    assert "non-zero" not in text
    assert "  It is tried again.\n" in text
    display.end(False)
    assert "4 of 4 jobs failed" in said(default)


@pytest.mark.parametrize("first", ["the run", "the job"])
def test_jobs_that_an_interrupt_ends_have_not_failed(default, tmp_path, first):
    display = begun(default, Job("a", "data", {}, str(tmp_path / "a")), Job("b", "data"), Job("c", "data"))
    log(LogEvent.JOB_INFO, jobid=0)
    (tmp_path / "a").write_text(opening("a", {}) + failure("a", explained(KeyboardInterrupt(), None)))
    events = [lambda: log(None, f"{handler.STOPPING}, this might take some time."), lambda: job_failed(0, [])]
    for event in events if first == "the run" else reversed(events):
        event()
    assert ("retort: a: " in said(default)) == (first == "the job")
    display.end(False)
    assert "The run was stopped: 0 of 3 jobs are done" in said(default)


def test_what_had_failed_before_an_interrupt_stays_a_failure():
    run = a_run(Job("a", "data"), Job("b", "data"))
    run.fail(0, "no image")
    run.fail(1, KILLED)
    run.give_back(was_stopped)
    assert [job.stage for job in run.of(State.FAILED)] == ["a"]


def test_the_log_of_an_earlier_attempt_is_not_taken_for_this_one(default, tmp_path):
    (tmp_path / "log").write_text(opening("a", {}).replace("started 20", "started 19") + failure("a", "an old error"))
    begun(default, Job("a", "data", {}, str(tmp_path / "log")))
    log(LogEvent.JOB_INFO, jobid=0)
    job_failed(0, [str(tmp_path / "log")])
    assert "old error" not in said(default)
    assert KILLED in said(default)


def test_warnings_of_snakemake_are_passed_on_while_jobs_run(default):
    begun(default, Job("a", "data"))
    log(None, "SLURM does not answer", logging.WARNING)
    log(None, "Select jobs to execute...")
    assert "SLURM does not answer\n" in said(default)
    assert "Select" not in said(default)


@pytest.mark.parametrize("quiet", [{Quietness.PROGRESS}, {Quietness.RULES}, {Quietness.PROGRESS, Quietness.RULES}])
def test_a_quiet_run_says_no_jobs_but_still_what_fails(default, quiet):
    begun(default, Job("a", "data"), Job("b", "data"), quiet=quiet)
    log(LogEvent.JOB_INFO, jobid=0)
    log(LogEvent.JOB_FINISHED, "Finished", job_id=0)
    assert "took" not in said(default)
    assert ("2 jobs" in said(default)) == (Quietness.PROGRESS not in quiet)
    log(LogEvent.JOB_INFO, jobid=1)
    job_failed(1, [])
    assert "retort: b: " in said(default)


def test_results_are_shown_after_a_success_and_where_all_is_done(default):
    display = begun(default, Job("a", "data"))
    display.with_results(lambda: "the table")
    display.end(True)
    assert "\nthe table\n" in said(default)
    default.stream.truncate(0)
    logger.handlers = [default]
    handler.attach(settings()).with_results(lambda: "the table")
    log(None, "Nothing to be done (all requested files are present and up to date).")
    assert "the table" in said(default)


def test_a_display_that_fails_gives_the_terminal_back_to_snakemake_and_raises_nothing(default, monkeypatch):
    display = begun(default, Job("a", "data"))
    assert NAME in os.environ
    monkeypatch.setattr(display, "_finished", lambda *given: 1 / 0)
    log(LogEvent.JOB_FINISHED, "Finished jobid: 0", job_id=0)
    assert logger.handlers == [default]
    assert NAME not in os.environ
    assert "The display of progress failed (ZeroDivisionError: division by zero)" in said(default)
    log(LogEvent.PROGRESS, done=1, total=1)
    assert "1 of 1 steps (100%) done" in said(default)
    display.end(True)
    display.close()
    assert "The job is done" not in said(default)


# ---------------------------------------------------------------- jobs beside it


def test_a_job_keeps_off_the_streams_of_the_run_that_shows_itself(tmp_path, monkeypatch):
    with open(tmp_path / "terminal", "w+") as terminal, open(tmp_path / "elsewhere", "w+") as elsewhere:
        mute(terminal)
        monkeypatch.setattr("sys.stdout", terminal)
        monkeypatch.setattr("sys.stderr", elsewhere)
        with around(fake_job(tmp_path / "log")):
            print("to the terminal")
            print("elsewhere", file=sys.stderr)
        unmute()
        assert not is_muted(terminal)
    assert (tmp_path / "terminal").read_text() == ""
    assert (tmp_path / "elsewhere").read_text() == "elsewhere\n"
    assert "to the terminal\nelsewhere\n" in (tmp_path / "log").read_text()


def test_a_job_whose_log_cannot_be_written_is_heard_on_the_terminal(tmp_path, monkeypatch):
    with open(tmp_path / "terminal", "w+") as terminal:
        mute(terminal)
        monkeypatch.setattr("sys.stdout", terminal)
        with around(fake_job(tmp_path / "no-folder" / "log")):
            print("not lost")
        unmute()
    assert "not lost" in (tmp_path / "terminal").read_text()
