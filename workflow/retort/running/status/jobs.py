"""Which jobs are done, running, stale, failed or waiting: Snakemake's view of the files, and the logs."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from pathlib import Path

from retort.running.status.logs import JobLog, read_log

KILLED = "it ended without a word: killed, perhaps because memory or time ran out"


class State(StrEnum):
    DONE = "done"
    RUNNING = "running"
    STALE = "stale"
    FAILED = "failed"
    WAITING = "waiting"


@dataclass(frozen=True)
class WantedJob:
    """A job of the config as Snakemake sees it.

    there: whether its outputs are. reasons: why it would run now; none where there is nothing to do.
    """

    stage: str
    log: str | None
    there: bool
    reasons: tuple[str, ...]


@dataclass(frozen=True)
class Run:
    """What is known of the run that may be going on.

    host: this machine. locked: since when Snakemake's lock is there, in seconds since 1970; None where there is none.
    alive(pid, started): whether a process of this machine is the one that started then.
    """

    host: str
    locked: float | None
    alive: Callable[[int, datetime], bool]

    def has(self, log: JobLog) -> bool:
        """Whether a job whose log has no end still runs; of another machine's only the lock tells."""
        return self.alive(log.pid, log.started) if log.host == self.host else self.locked is not None

    def tried(self, log: JobLog) -> bool:
        """Whether the log is of this run, or of the last one; in this one a job of an earlier one may still come."""
        return self.locked is None or log.written >= self.locked


@dataclass(frozen=True)
class SeenJob:
    """error: why it failed."""

    job: WantedJob
    state: State
    log: JobLog | None = None
    error: str | None = None


def look(job: WantedJob, run: Run) -> SeenJob:
    """The state of one job."""
    if not job.reasons:
        return SeenJob(job, State.DONE)
    log = read_log(job.log) if job.log else None
    if log and not log.done:
        ended = log.error is not None
        if not ended and run.has(log):
            return SeenJob(job, State.RUNNING, log)
        if run.tried(log):
            return SeenJob(job, State.FAILED, log, log.error if ended else KILLED)
    return SeenJob(job, State.STALE if job.there else State.WAITING, log)


def locked_since(folder: Path) -> float | None:
    """When the run began that has locked the folder, from Snakemake's own files; None where it is not locked."""
    return min((file.stat().st_mtime for file in (folder / ".snakemake" / "locks").glob("*")), default=None)
