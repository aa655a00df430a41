"""The jobs of a run, how far each is, and how long those that are left will take."""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum

KEYS = ("protocol", "student", "ipc")  # wildcards by which jobs of one stage differ most in time
UNKNOWN = 0.1  # share of the jobs that are left above which their time is only a lower bound


class State(StrEnum):
    WAITING = "waiting"
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"


@dataclass
class Job:
    """One job of a run.

    room: the group of stages that it belongs to, as users read it. started: in seconds since 1970, when it was given to
    the machine or the cluster. seconds: what it took. error: what ended it, of its last attempt.
    """

    stage: str
    room: str
    wildcards: Mapping[str, str] = field(default_factory=dict)
    log: str | None = None
    state: State = State.WAITING
    started: float | None = None
    seconds: float | None = None
    error: str | None = None

    @property
    def name(self) -> str:
        """The stage and the values of its wildcards: "train_students d3hr 1 hard resnet8s"."""
        return " ".join([self.stage, *map(str, self.wildcards.values())])

    def kinds(self) -> Iterator[tuple[str, ...]]:
        """Which jobs should take about as long, the most similar ones first."""
        values = [str(self.wildcards[key]) for key in KEYS if key in self.wildcards]
        for length in range(len(values), -1, -1):
            yield (self.stage, *values[:length])


@dataclass(frozen=True)
class Room:
    """How many jobs of a group of stages are done, run, failed, and are there at all."""

    name: str
    done: int
    running: int
    failed: int
    total: int


@dataclass(frozen=True)
class Left:
    """Seconds until all is done; `at_least` where too many jobs are of a kind that nobody has measured yet."""

    seconds: float
    at_least: bool


class Times:
    """Mean seconds of jobs by their kind, from those that are done and from records of earlier runs."""

    def __init__(self) -> None:
        self._now: dict[tuple[str, ...], list[float]] = {}
        self._earlier: dict[tuple[str, ...], list[float]] = {}
        self._all = [0.0, 0]

    def add(self, job: Job, seconds: float, earlier: bool = False) -> None:
        table = self._earlier if earlier else self._now
        for entry in (self._all, *(table.setdefault(kind, [0.0, 0]) for kind in job.kinds())):
            entry[0] += seconds
            entry[1] += 1

    def of(self, job: Job) -> float | None:
        """The mean of the most similar jobs, of this run before earlier ones; None for a stage never measured."""
        for kind in job.kinds():
            for table in (self._now, self._earlier):
                if kind in table:
                    total, count = table[kind]
                    return total / count
        return None

    @property
    def mean(self) -> float | None:
        """Of all jobs that were measured; None before the first."""
        total, count = self._all
        return total / count if count else None


class Run:
    """All jobs of a run by their number, in the order of the work; `began` in seconds since 1970."""

    def __init__(self, jobs: Mapping[int, Job], began: float, times: Times | None = None):
        self.jobs, self.began, self.times = dict(jobs), began, times or Times()
        self._busy = 0.0  # seconds that jobs took together

    # ------------------------------------------------------------ events

    def start(self, number: int, now: float) -> None:
        if job := self.jobs.get(number):
            job.state, job.started, job.error = State.RUNNING, now, None

    def finish(self, number: int, now: float) -> Job | None:
        """The job, if it is one of these."""
        job = self.jobs.get(number)
        if job:
            job.state, job.seconds = State.DONE, now - (job.started or now)
            self._busy += job.seconds
            self.times.add(job, job.seconds)
        return job

    def fail(self, number: int, error: str) -> None:
        if job := self.jobs.get(number):
            job.state, job.error = State.FAILED, error

    def give_back(self, stopped: Callable[[str], bool]) -> None:
        """Jobs that failed only because they were stopped, by their error, wait for the next run."""
        for job in self.of(State.FAILED):
            if stopped(job.error or ""):
                job.state = State.WAITING

    # ------------------------------------------------------------ views

    def of(self, state: State) -> list[Job]:
        return [job for job in self.jobs.values() if job.state == state]

    @property
    def running(self) -> list[Job]:
        """Those that run, the longest first."""
        return sorted(self.of(State.RUNNING), key=lambda job: job.started)

    def count(self, state: State) -> int:
        return sum(job.state == state for job in self.jobs.values())

    def rooms(self) -> list[Room]:
        counts = Counter((job.room, job.state) for job in self.jobs.values())
        names = dict.fromkeys(job.room for job in self.jobs.values())
        shown = (State.DONE, State.RUNNING, State.FAILED)
        return [Room(name, *(counts[name, state] for state in shown), self._total(counts, name)) for name in names]

    @staticmethod
    def _total(counts: Counter, name: str) -> int:
        return sum(counts[name, state] for state in State)

    def a_minute(self, now: float) -> float | None:
        """Jobs that were done a minute; None before the first."""
        done = self.count(State.DONE)
        return 60 * done / (now - self.began) if done and now > self.began else None

    def left(self, now: float) -> Left | None:
        """How long the jobs will take that run or wait, if as many run at once as did so far; None where nobody knows.

        Jobs of stages that were never measured count as long as all others on average.
        """
        jobs = [job for job in self.jobs.values() if job.state in (State.RUNNING, State.WAITING)]
        if self.times.mean is None:
            return None
        work, unknown = 0.0, 0
        for job in jobs:
            seconds = self.times.of(job)
            unknown += seconds is None
            passed = now - job.started if job.state == State.RUNNING else 0.0
            work += max((self.times.mean if seconds is None else seconds) - passed, 0.0)
        return Left(work / self._at_once(now), unknown > UNKNOWN * len(jobs))

    def _at_once(self, now: float) -> float:
        """How many jobs ran at once so far, on average; at least one."""
        running = sum(now - job.started for job in self.of(State.RUNNING))
        return max(1.0, (self._busy + running) / max(now - self.began, 1e-9))


def planned(jobs: Iterable[tuple[int, Job]], began: float, earlier: Iterable[tuple[Job, float]] = ()) -> Run:
    """A run of these jobs, with the seconds that the same or similar jobs took before."""
    times = Times()
    for job, seconds in earlier:
        times.add(job, seconds, earlier=True)
    return Run(dict(jobs), began, times)
