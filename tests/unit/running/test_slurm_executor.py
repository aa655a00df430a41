"""Snakemake's executor for SLURM loses no job while SLURM's controller is silent, and submits none."""

import asyncio
import threading
from types import SimpleNamespace

import pytest
from snakemake_executor_plugin_slurm import Executor
from snakemake_interface_common.exceptions import WorkflowError
from snakemake_interface_executor_plugins.executors.base import SubmittedJobInfo
from snakemake_interface_executor_plugins.registry import ExecutorPluginRegistry

from retort.running import slurm, slurm_executor
from retort.running.slurm_executor import PatientExecutor

WITHOUT_ACCOUNTS = "AccountingStorageType = accounting_storage/none\nMinJobAge = 300 sec"
WITH_ACCOUNTS = "AccountingStorageType = accounting_storage/slurmdbd\nMinJobAge = 300 sec"


class FakeSlurm:
    """Commands of SLURM in a folder that PATH names: what each prints, or that it fails."""

    def __init__(self, folder):
        self.folder = folder
        self.config = WITHOUT_ACCOUNTS
        self.jobs: dict[str, str] = {}
        self.accounted: dict[str, str] | None = None
        self.answer()

    def answer(self) -> None:
        self._command("scontrol", f'[ "$1" = ping ] && echo "Slurmctld(primary) at here is UP" || echo "{self.config}"')
        self._command("squeue", "\n".join(f"echo '{job}|{state}'" for job, state in self.jobs.items()))
        told = "\n".join(f"echo '{job}|{state}'" for job, state in (self.accounted or {}).items())
        self._command("sacct", told if self.accounted is not None else "exit 1")
        self._command("scancel", "exit 0")

    def be_silent(self) -> None:
        self._command("scontrol", '[ "$1" = ping ] && echo "Slurmctld(primary) at here is DOWN"; exit 1')
        for name in ("squeue", "scancel", "sacct"):
            self._command(name, "echo 'Unable to contact slurm controller (connect failure)' >&2; exit 1")

    def _command(self, name: str, body: str) -> None:
        (self.folder / name).write_text(f"#!/bin/sh\n{body}\n")
        (self.folder / name).chmod(0o755)


@pytest.fixture
def fake(monkeypatch, tmp_path) -> FakeSlurm:
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    return FakeSlurm(tmp_path)


class Said:
    """A logger that keeps the warnings and errors it was given."""

    def __init__(self):
        self.lines: list[str] = []

    def warning(self, line: str, **_) -> None:
        self.lines.append(line)

    error = warning

    def info(self, line: str, **_) -> None:
        pass

    debug = info


class Limiter:
    """Lets every question through at once."""

    async def __aenter__(self):
        pass

    async def __aexit__(self, *_):
        pass


def executor_of(kind: type[Executor], status_command: str = "sacct") -> Executor:
    """An executor without a workflow, a thread or a network behind it: only what it asks SLURM is real."""
    executor = object.__new__(kind)
    settings = SimpleNamespace(
        status_command=status_command, status_attempts=2, init_seconds_before_status_checks=3,
        keep_successful_logs=True, requeue=True,
    )  # fmt: skip

    ended = []
    scheduler = SimpleNamespace(
        finish_callback=lambda job: ended.append((job.name, "done")),
        error_callback=lambda job: ended.append((job.name, "failed")),
    )
    executor.__dict__ |= {
        "workflow": SimpleNamespace(executor_settings=settings, scheduler=scheduler),
        "logger": Said(), "run_uuid": "run", "status_rate_limiter": Limiter(), "ended": ended,
        "_next_seconds_between_status_checks": 3, "_preemption_warning": False, "_failed_nodes": set(),
        "_status_query_calls": 0, "_status_query_failures": 0, "_status_query_total_seconds": 0.0,
        "_status_query_min_seconds": None, "_status_query_max_seconds": 0.0, "_status_query_cycle_rows": [],
        "_main_event_loop": None, "_submitted_job_clusters": set(),
        "_reported": set(), "_ending": threading.Event(),
    }  # fmt: skip
    return executor


def submitted(*ids: str) -> list[SubmittedJobInfo]:
    jobs = [SimpleNamespace(name=f"job {i}", log_error=lambda *_, **__: None) for i in ids]
    return [SubmittedJobInfo(job, i, {"slurm_logfile": None}) for job, i in zip(jobs, ids, strict=True)]


def checked(executor: Executor, jobs: list[SubmittedJobInfo]) -> list[str]:
    """The jobs that go on after one look at all of them."""

    async def check() -> list[str]:
        return [job.external_jobid async for job in executor.check_active_jobs(jobs)]

    return asyncio.run(check())


def test_the_plugin_still_forgets_jobs_so_that_it_has_to_be_replaced(fake):
    """Where this fails the plugin keeps them by itself: then slurm_executor.py may go."""
    fake.be_silent()
    executor = executor_of(Executor)
    assert checked(executor, submitted("7", "8")) == []
    assert executor.ended == []


@pytest.mark.parametrize("status_command", ["sacct", "squeue"])
def test_jobs_are_kept_while_slurm_is_silent_and_end_when_it_answers(fake, status_command):
    executor, jobs = executor_of(PatientExecutor, status_command), submitted("7", "8", "9")
    fake.be_silent()
    for _ in range(2):
        assert checked(executor, jobs) == ["7", "8", "9"]
    assert executor.logger.lines == [slurm_executor.SILENT]
    fake.jobs = {"7": "COMPLETED", "8": "RUNNING", "9": "FAILED"}
    fake.answer()
    assert checked(executor, jobs) == ["8"]
    assert executor.ended == [("job 7", "done"), ("job 9", "failed")]
    assert executor.logger.lines == [slurm_executor.SILENT, slurm_executor.AGAIN]


def test_a_job_that_slurm_has_no_record_of_after_its_silence_fails_and_so_is_tried_again(fake):
    executor, jobs = executor_of(PatientExecutor), submitted("7", "12_1", "12_2")
    fake.jobs = {"12_1": "PENDING", "12_2": "RUNNING"}
    fake.answer()
    assert checked(executor, jobs) == ["7", "12_1", "12_2"], "it may be so new that SLURM does not list it yet"
    fake.be_silent()
    assert checked(executor, jobs) == ["7", "12_1", "12_2"]
    fake.answer()
    assert checked(executor, jobs) == ["12_1", "12_2"]
    assert executor.ended == [("job 7", "failed")]


def test_a_database_is_trusted_with_jobs_that_the_controller_does_not_list(fake):
    executor, jobs = executor_of(PatientExecutor), submitted("7")
    fake.config, fake.accounted = WITH_ACCOUNTS, {}
    fake.be_silent()
    assert checked(executor, jobs) == ["7"]
    fake.answer()
    assert checked(executor, jobs) == ["7"]
    fake.accounted = {"7": "COMPLETED"}
    fake.answer()
    assert checked(executor, jobs) == []
    assert executor.ended == [("job 7", "done")]


@pytest.mark.parametrize(
    ("config", "named", "asked"),
    [
        (WITHOUT_ACCOUNTS, "sacct", "squeue"),
        ("AccountingStorageType = (null)", "sacct", "squeue"),
        (WITH_ACCOUNTS, "sacct", "sacct"),
        (WITH_ACCOUNTS, "squeue", "squeue"),
    ],
)
def test_jobs_are_watched_by_squeue_where_sacct_would_never_answer(fake, config, named, asked):
    fake.config = config
    fake.answer()
    assert executor_of(PatientExecutor, named).get_status_command() == asked


def test_whether_there_is_a_database_is_asked_again_where_nobody_answered(fake):
    executor = executor_of(PatientExecutor)
    fake.be_silent()
    assert executor.get_status_command() == "sacct"
    fake.answer()
    assert executor.get_status_command() == "squeue"


@pytest.fixture
def runs(monkeypatch) -> list:
    """What the plugin itself was given to submit."""
    given = []
    monkeypatch.setattr(Executor, "run_job", lambda _, job: given.append(job))
    monkeypatch.setattr(Executor, "run_array_jobs", lambda _, jobs: given.extend(jobs))
    monkeypatch.setattr(slurm_executor, "SECONDS", 0.01)
    return given


@pytest.mark.parametrize("array", [False, True])
def test_a_job_is_submitted_when_the_controller_answers_and_not_before(fake, runs, array):
    executor, (job,) = executor_of(PatientExecutor), submitted("7")
    fake.be_silent()
    submit = (executor.run_array_jobs, [job.job]) if array else (executor.run_job, job.job)
    thread = threading.Thread(target=submit[0], args=submit[1:])
    thread.start()
    while not executor.logger.lines:
        assert thread.is_alive()
    assert (runs, executor.logger.lines) == ([], [slurm_executor.SILENT])
    fake.answer()
    thread.join(timeout=60)
    assert runs == [job.job]


def test_a_run_that_is_ended_meanwhile_submits_nothing_and_names_the_jobs_that_go_on(fake, runs):
    executor, (job, other) = executor_of(PatientExecutor), submitted("7", "8")
    fake.be_silent()
    thread = threading.Thread(target=executor.run_job, args=[job.job])
    thread.start()
    executor.cancel_jobs([other])
    executor._ending.set()
    thread.join(timeout=60)
    assert runs == []
    assert executor.ended == [("job 7", "failed")]
    assert any("scancel 8;" in line for line in executor.logger.lines)
    with pytest.raises(WorkflowError):
        Executor.cancel_jobs(executor, [other])


def test_it_takes_the_place_of_the_plugin_and_is_not_needed_where_that_is_not_installed(monkeypatch):
    plugin = SimpleNamespace(executor=Executor)
    monkeypatch.setattr(ExecutorPluginRegistry(), "plugins", {"slurm": plugin})
    slurm.keep_jobs_while_slurm_is_silent()
    assert plugin.executor is PatientExecutor
    monkeypatch.setattr(ExecutorPluginRegistry(), "plugins", {})
    slurm.keep_jobs_while_slurm_is_silent()
    assert ExecutorPluginRegistry().plugins == {}


def test_without_scontrol_nothing_is_asked(monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    assert slurm.keeps_accounts() is True
    assert slurm.controller_answers() is True
