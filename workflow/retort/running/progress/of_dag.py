"""The jobs of Snakemake's DAG as the display counts them."""

import time
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path

from retort.running.progress.state import Job, Run, planned
from retort.running.status.replaced import seconds_of

ROOMS = {
    "data": "data",
    "models": "models",
    "shared": "shared stages",
    "sets": "distilled sets",
    "evaluation": "evaluation",
    "tables": "tables",
    "pictures": "pictures",
}
"""Groups of stages as they are called on the screen, in the order of the work."""

ALIKE = 3  # records of earlier runs that are read of each kind of job


def run_of(dag, room_of: Mapping[str, str]) -> Run:
    """The jobs that this run will do; `room_of` gives the room of a rule. Times of earlier runs are read."""
    wanted = [(_job(job, room_of), job) for job in dag.jobs if job.output]
    order = {name: place for place, name in enumerate(ROOMS.values())}
    wanted.sort(key=lambda pair: order.get(pair[0].room, len(order)))
    jobs = [(dag.jobid(job), ours) for ours, job in wanted if dag.needrun(job)]
    return planned(jobs, time.time(), _earlier(wanted))


def _job(job, room_of: Mapping[str, str]) -> Job:
    room = ROOMS.get(room_of.get(job.rule.name, ""), "others")
    return Job(job.rule.name, room, dict(job.wildcards.items()), next(map(str, job.log), None))


def _earlier(wanted) -> Iterator[tuple[Job, float]]:
    """Jobs that were measured before, and their seconds; of each kind only a few."""
    found: Counter = Counter()
    for ours, job in wanted:
        kind = next(ours.kinds())
        if found[kind] < ALIKE and job.benchmark and Path(job.benchmark).exists():
            found[kind] += 1
            yield ours, seconds_of(job.benchmark)
