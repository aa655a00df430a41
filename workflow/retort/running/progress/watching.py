"""What the logs of jobs say while the jobs run, and when they have ended."""

from collections.abc import Iterable

from retort.running.progress.state import Job
from retort.running.status.jobs import KILLED
from retort.running.status.logs import JobLog, read_log

WARNING = "warning: "
STOPPED = ("it was interrupted", "it was asked to stop")  # as explained.py says it
EARLIER = 2  # seconds by which a log may seem older than its job: it counts whole seconds
MOST = 2**20  # bytes in which warnings are looked for


def own_log(job: Job) -> JobLog | None:
    """The log of this attempt; None where it has not begun, or cannot be read."""
    try:
        log = read_log(job.log) if job.log else None
    except OSError:
        return None
    return log if log and log.started.timestamp() >= (job.started or 0) - EARLIER else None


def said_by(jobs: Iterable[Job], queued: bool) -> dict[int, str]:
    """What each job's log says of its progress, by its identity; `queued`: whether jobs may wait before they begin."""
    found = {}
    for job in jobs:
        log = own_log(job)
        if log and log.progress:
            found[id(job)] = log.progress
        elif queued and job.log and not log:
            found[id(job)] = "in the queue"
    return found


def error_of(job: Job, said: str | None) -> str | None:
    """What ended a job, in the words of its log or of whoever ran it (`said`).

    None where its log says that it ended well: all jobs of a group count as failed with one of them.
    """
    log = own_log(job)
    if log and log.done:
        return None
    return (log and log.error) or said or KILLED


def was_stopped(error: str) -> bool:
    """Whether the error of a job says no more than that somebody stopped it."""
    return error == KILLED or error.startswith(STOPPED)


def warnings_of(job: Job) -> list[str]:
    """The warnings in a job's log."""
    if not job.log:
        return []
    try:
        with open(job.log, errors="replace") as handle:
            lines = handle.read(MOST).splitlines()
    except OSError:
        return []
    return [line for line in lines if line.startswith(WARNING)]
