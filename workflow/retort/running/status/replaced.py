"""What is finished, took long and would be made again by a run: said before it is lost."""

import csv
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from retort.running.status.reasons import changed_settings, reasons

COSTLY = 60  # seconds; what took less is made again without a word


@dataclass(frozen=True)
class Finished:
    """A result that is there, and would be replaced. seconds: what it took last time. why: in words."""

    stage: str
    output: str
    seconds: float
    why: str


def finished_results(dag) -> list[Finished]:
    """The results of Snakemake's `dag` that are there and would be made again, in the order of the work."""
    jobs = [job for level in dag.toposorted() for job in sorted(level, key=str) if job.output and dag.needrun(job)]
    there = [job for job in jobs if all(Path(path).exists() for path in job.output)]
    return [
        Finished(job.rule.name, str(job.output[0]), seconds_of(job.benchmark), explained(dag.reason(job)))
        for job in there
    ]


def explained(reason) -> str:
    changed = changed_settings(reason)
    return ", ".join(reasons(reason)) + (f" ({changed})" if changed else "")


def seconds_of(benchmark: str | None) -> float:
    """What a job took by the file in which Snakemake measured it; 0 where nobody did."""
    if not benchmark or not Path(benchmark).is_file():
        return 0.0
    with open(benchmark, newline="") as handle:
        rows = list(csv.DictReader(handle, delimiter="\t"))
    try:
        return float(rows[-1]["s"])
    except (IndexError, KeyError, ValueError):
        return 0.0


def replaced(found: Iterable[Finished]) -> list[str]:
    """A line for each stage and cause whose results took at least `COSTLY` seconds each."""
    groups: dict[tuple[str, str], list[Finished]] = {}
    for result in found:
        if result.seconds >= COSTLY:
            groups.setdefault((result.stage, result.why), []).append(result)
    return [_line(stage, why, results) for (stage, why), results in groups.items()]


def _line(stage: str, why: str, results: list[Finished]) -> str:
    first, took = results[0].output, timedelta(seconds=round(sum(result.seconds for result in results)))
    what = f"{first} is" if len(results) == 1 else f"{len(results)} results ({first}, ...) are"
    return f"{stage}: {what} finished and will be replaced, {took} of work last time: {why}"
