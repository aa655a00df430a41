"""What is printed line by line: where there is no terminal, and above the screen where there is one."""

from collections.abc import Mapping, Sequence

from retort.artifacts.job_logs import failure
from retort.base.words import counted
from retort.running.progress.state import Job, Run, State
from retort.running.progress.words import clock, duration, time_left

MOST_LINES = 20  # of an error that lists what is wrong
MOST_FAILED = 20  # jobs at the end


def opening(run: Run, log: str) -> str:
    rooms = ", ".join(f"{room.name} {room.total}" for room in run.rooms())
    return f"{counted(len(run.jobs), 'job')} ({rooms}). Snakemake's log: {log}"


def done(run: Run, job: Job, now: float) -> str:
    """How far the run is, now that this job is done."""
    facts = [f"{run.count(State.DONE)} of {len(run.jobs)} jobs", time_left(run.left(now))]
    return f"[{clock(now - run.began)}] {', '.join(filter(None, facts))}: {job.name} took {duration(job.seconds or 0)}"


def still(run: Run, said: Mapping[int, str], now: float) -> str:
    """What goes on although nothing has ended for a while."""
    running = [_running(job, said, now) for job in run.running[:3]]
    more = f" and {len(run.running) - 3} more" if len(run.running) > 3 else ""
    facts = ", ".join(filter(None, [f"{run.count(State.DONE)} of {len(run.jobs)} jobs", time_left(run.left(now))]))
    return f"[{clock(now - run.began)}] {facts}; running: {'; '.join(running) or 'no job'}{more}"


def _running(job: Job, said: Mapping[int, str], now: float) -> str:
    progress = f", {said[id(job)]}" if said.get(id(job)) else ""
    return f"{job.name} for {clock(now - job.started)}{progress}"


def failed(job: Job, logs: Sequence[str]) -> str:
    """The error of a job in the words of its log, and where that is."""
    lines = failure(job.stage, job.error or "").splitlines()
    if len(lines) > MOST_LINES:
        lines = [*lines[:MOST_LINES], f"  ... and {len(lines) - MOST_LINES} more lines in its log"]
    return "\n".join([*lines, *(f"  log: {path}" for path in logs)])


def warned(warning: str, job: Job) -> str:
    return f"{warning}\n  ({job.name})"


def ended(run: Run, now: float, interrupted: bool) -> str:
    """How a run ended: what is done, what failed and why, and what to do next."""
    failures, count, total = run.of(State.FAILED), run.count(State.DONE), len(run.jobs)
    took = f"in {clock(now - run.began)}"
    if not failures and count == total:
        return f"All {counted(total, 'job')} are done, {took}." if total > 1 else f"The job is done, {took}."
    if not failures:
        stopped = "The run was stopped" if interrupted else "The run ended early"
        return f"{stopped}: {count} of {total} jobs are done, {took}. Run the same command again to continue."
    lines = [f"{len(failures)} of {counted(total, 'job')} failed, and {count} are done, {took}:"]
    for job in failures[:MOST_FAILED]:
        first = next(iter((job.error or "").splitlines()), "").rstrip(":")
        lines += [f"  {job.name}: {first}", *([f"    log: {job.log}"] if job.log else [])]
    if len(failures) > MOST_FAILED:
        lines.append(f"  and {len(failures) - MOST_FAILED} more")
    if waiting := total - count - len(failures):
        them = "it needs" if waiting == 1 else "they need"
        lines.append(f"{counted(waiting, 'job')} did not run, because {them} what failed.")
    lines.append("What is done is kept: remove the cause, then run the same command again.")
    return "\n".join(lines)
