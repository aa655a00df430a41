"""The states of all jobs as Markdown that a terminal can show: a table by stage, and what runs, failed and is stale."""

import time
from collections import Counter
from collections.abc import Callable, Iterable, Sequence

from retort.running.status.jobs import SeenJob, State
from retort.running.status.reasons import FOLLOWS

HEADS = ["stage", *State, "all"]
COLOURS = {State.DONE: "32", State.RUNNING: "36", State.STALE: "33", State.FAILED: "31"}
SILENT = 300  # seconds after which a job that writes nothing is worth a word

Paint = Callable[[str, str], str]


def plain(text: str, head: str) -> str:
    return text


def coloured(text: str, head: str) -> str:
    return f"\033[{COLOURS[head]}m{text}\033[0m" if head in COLOURS and text.strip() else text


def report(seen: Sequence[SeenJob], locked: bool, paint: Paint = plain, now: float | None = None) -> str:
    """`seen` in the order of the work; locked: whether Snakemake's lock is there."""
    now = time.time() if now is None else now
    by_state = {state: [job for job in seen if job.state == state] for state in State}
    parts = [_counted(seen, paint), _summary(by_state, locked)]
    parts += _listed("Running", (_running(job, now) for job in by_state[State.RUNNING]))
    parts += _listed("Failed", (_failed(job) for job in by_state[State.FAILED]))
    parts += _listed("Stale", _stale(by_state[State.STALE]))
    return "\n\n".join(parts) + "\n"


def _counted(seen: Sequence[SeenJob], paint: Paint) -> str:
    counts = Counter((job.job.stage, job.state) for job in seen)
    stages = dict.fromkeys(job.job.stage for job in seen)
    rows = [[stage, *(counts[stage, state] for state in State)] for stage in stages]
    rows = [[*row, sum(row[1:])] for row in rows]
    if len(rows) > 1:
        rows.append(["all", *(sum(column) for column in zip(*(row[1:] for row in rows), strict=True))])
    cells = [HEADS, *([row[0], *(str(n) if n else "" for n in row[1:])] for row in rows)]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    rule = ["-" * widths[0], *("-" * (width - 1) + ":" for width in widths[1:])]

    def line(row: Sequence[str]) -> str:
        stage, *counts = (cell.rjust(width) for cell, width in zip(row, widths, strict=True))
        padded = [row[0].ljust(len(stage)), *counts]
        return f"| {' | '.join(paint(cell, head) for cell, head in zip(padded, HEADS, strict=True))} |"

    return "\n".join([line(cells[0]), f"| {' | '.join(rule)} |", *map(line, cells[1:])])


def _summary(by_state: dict[State, list[SeenJob]], locked: bool) -> str:
    total = sum(map(len, by_state.values()))
    said = f"{len(by_state[State.DONE])} of {total} jobs are done."
    if locked and not by_state[State.RUNNING]:
        said += (
            " Snakemake's lock is there, and no job runs: they may wait in a queue, or the run was killed; then "
            "`snakemake --unlock` lets the next one begin."
        )
    elif not locked and by_state[State.RUNNING]:
        said += " Jobs run although nothing is locked: their Snakemake was killed, or runs elsewhere."
    return said


def _listed(title: str, lines: Iterable[str]) -> list[str]:
    lines = list(lines)
    return ["\n".join([f"{title}:", "", *(f"- {line}" for line in lines)])] if lines else []


def _running(seen: SeenJob, now: float) -> str:
    log = seen.log
    silent = now - log.written
    quiet = f"; silent for {silent / 60:.0f} minutes" if silent > SILENT else ""
    since = log.started.strftime("%Y-%m-%d %H:%M")
    return f"{log.job}, on {log.host} since {since}: {log.progress or 'no progress line yet'}{quiet}"


def _failed(seen: SeenJob) -> str:
    error = seen.error.replace("\n", "\n  ")
    far = f" (last: {seen.log.progress})" if seen.log.progress and "\n" not in error else ""
    return f"{seen.log.job}: {error}{far}\n  log: {seen.log.path}"


def _stale(jobs: Sequence[SeenJob]) -> Iterable[str]:
    """Those with a reason of their own by stage; the others only follow from them, or from what else will be made."""
    own = [seen.job for seen in jobs if seen.job.reasons != (FOLLOWS,)]
    for (stage, why), count in Counter((job.stage, ", ".join(job.reasons)) for job in own).items():
        yield f"{stage}: {_jobs(count)}, {why}"
    if followers := len(jobs) - len(own):
        yield f"{_jobs(followers)} of later stages, because {FOLLOWS}"


def _jobs(count: int) -> str:
    return f"{count} {'job' if count == 1 else 'jobs'}"
