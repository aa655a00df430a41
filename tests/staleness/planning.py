"""What Snakemake compares of every job, asked of Snakemake itself in this process; no job runs.

`snakemake -n` on a finished run tells what a change reruns, but takes many seconds for each. Here the workflow is
planned from nothing, before and after the change, and jobs are compared as Snakemake compares them with its records.
"""

import os
import sys
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from hashlib import sha256
from pathlib import Path
from typing import Any
from unittest.mock import patch

import yaml
from snakemake.api import SnakemakeApi
from snakemake.common import get_function_params
from snakemake.parser import parse
from snakemake.settings.enums import RerunTrigger
from snakemake.settings.types import ConfigSettings, DAGSettings, OutputSettings, Quietness, ResourceSettings
from snakemake.workflow import Workflow

from retort.plan import fingerprint, part_params
from retort.running.call import stage_name

Outputs = tuple[str, ...]


@dataclass(frozen=True)
class Job:
    """A job of a plan.

    compared: trigger -> what Snakemake compares. numbers: the parameters that are nothing but a number. needs: the jobs
    whose outputs it reads.
    """

    rule: str
    stage: str
    compared: Mapping[str, Any]
    numbers: tuple[float, ...]
    needs: frozenset[Outputs]


Plan = dict[Outputs, Job]


def plan(home: Path, config: dict, targets: Iterable[str], **resources) -> Plan:
    """Every job that these targets need, by the copy of the workflow in `home` with this config.

    resources: more for snakemake.settings.types.ResourceSettings.
    """
    with built(home, config, targets, **resources) as workflow:
        return _jobs(workflow, triggers(home))


@contextmanager
def built(home: Path, config: dict, targets: Iterable[str], **resources) -> Iterator[Workflow]:
    """The same as Snakemake itself has it, with its graph of jobs; as long as the block lasts."""
    (home / "experiment.yaml").write_text(yaml.safe_dump(config, sort_keys=False))
    with _workflow(home, ResourceSettings(**{"cores": 2} | resources), targets, forceall=True) as workflow:
        yield workflow


def stale(home: Path, targets: Iterable[str], forceall: bool = False) -> dict[str, int]:
    """Rule -> how many of its jobs `snakemake -n` would list in this folder, by its own records of what it made."""
    with _workflow(home, ResourceSettings(cores=2), targets, forceall) as workflow:
        return dict(Counter(job.rule.name for job in workflow.dag.needrun_jobs()))


@contextmanager
def _workflow(home: Path, resources: ResourceSettings, targets: Iterable[str], forceall: bool) -> Iterator[Workflow]:
    with (
        _own_surroundings(),
        _parts_of(home),
        patch("snakemake.workflow.parse", _parsed_once),
        patch("snakemake.common.get_function_params", cache(get_function_params)),  # of each for each of its jobs
        SnakemakeApi(OutputSettings(quiet={Quietness.ALL})) as api,
    ):
        loaded = api.workflow(
            resource_settings=resources,
            config_settings=ConfigSettings(configfiles=[home / "experiment.yaml"]),
            snakefile=home / "Snakefile",
            workdir=home,
        )
        asked = {"rerun_triggers": RerunTrigger.parse_choices_set(triggers(home)), "force_incomplete": True}
        loaded.dag(DAGSettings(targets=set(targets), forceall=forceall, **asked))
        workflow = loaded._workflow
        # As `snakemake --dag` does; what is public only prints.
        workflow._prepare_dag(forceall=forceall, ignore_incomplete=True, lock_warn_only=True)
        workflow._build_dag()
        yield workflow


def triggers(home: Path) -> list[str]:
    """What reruns a job, by the profile."""
    return yaml.safe_load((home / "profiles" / "default" / "config.yaml").read_text())["rerun-triggers"]


def _jobs(workflow: Workflow, wanted: list[str]) -> Plan:
    needed, records = workflow.dag.dependencies, workflow.persistence
    asked = {
        "params": lambda job: frozenset(records._params(job)),
        "input": lambda job: tuple(records._input(job)),
        "mtime": lambda job: {file: _content(file) for file in set(job.input).difference(*needed[job].values())},
        "code": lambda job: _content(_beside(job.rule, job.rule.script)),
    }
    return {
        tuple(job.output): Job(
            job.rule.name,
            stage_name(job.params.code),
            {trigger: asked[trigger](job) for trigger in wanted},
            tuple(value for value in job.params if isinstance(value, int | float)),
            frozenset(tuple(other.output) for other in needed[job] if other.output),
        )
        for job in workflow.dag.jobs
        if job.output
    }


def _beside(rule, path: str) -> Path:
    return Path(rule.basedir.get_path_or_uri(secret_free=True), path)


def _content(file: str | Path) -> str:
    return sha256(Path(file).read_bytes()).hexdigest()


@contextmanager
def _parts_of(home: Path) -> Iterator[None]:
    """The parts of Retort's own are classes of this process, but their code is that of the folder that is planned."""
    read, here, there = fingerprint._read, fingerprint.PACKAGE_ROOT, home / "workflow" / "retort"

    def read_there(source: Path, name: str) -> fingerprint.Parsed:
        return read(there / source.relative_to(here) if source.is_relative_to(here) else source, name)

    fingerprint._read = read_there
    part_params.code_of_part.cache_clear()
    try:
        yield
    finally:
        fingerprint._read = read
        part_params.code_of_part.cache_clear()


_parsed: dict[tuple[str, bytes, int], tuple[str, int, dict[int, int]]] = {}


def _parsed_once(path, workflow: Workflow, linemap: dict[int, int], rulecount: int) -> tuple[str, int]:
    """Snakemake's own parse of a file of rules, which is a fifth of a plan's cost, again only for another text."""
    file = path.get_path_or_uri(secret_free=True)
    text = file, Path(file).read_bytes(), rulecount
    if text not in _parsed:
        lines: dict[int, int] = {}
        _parsed[text] = (*parse(path, workflow, linemap=lines, rulecount=rulecount), lines)
    code, count, lines = _parsed[text]
    linemap.update(lines)
    return code, count


@contextmanager
def _own_surroundings() -> Iterator[None]:
    """What the rules set for their jobs is not left behind."""
    variables, path = dict(os.environ), list(sys.path)
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(variables)
        sys.path[:] = path


# ---------------------------------------------------------------- what reruns


@dataclass(frozen=True)
class Reruns:
    """What reruns.

    counts: rule -> how many of its jobs. own: the rules of jobs that rerun whatever else does; first: of those among
    them that no other job would make rerun.
    """

    counts: dict[str, int]
    own: frozenset[str]
    first: frozenset[str]

    @property
    def follow(self) -> frozenset[str]:
        return frozenset(self.counts) - self.first


def changed(before: Plan, after: Plan) -> set[Outputs]:
    """Jobs that rerun whatever else does: asked for only now, or with other parameters or inputs."""
    return {key for key, job in after.items() if key not in before or before[key].compared != job.compared}


def reruns(planned: Plan, changed: set[Outputs]) -> Reruns:
    """These jobs and all that read, directly or not, what they make."""

    @cache
    def stale(key: Outputs) -> bool:
        return key in changed or any(map(stale, planned[key].needs))

    jobs = [job for key, job in planned.items() if stale(key)]
    own = frozenset(planned[key].rule for key in changed)
    first = frozenset(job.rule for job in jobs if not any(map(stale, job.needs)))
    return Reruns(dict(Counter(job.rule for job in jobs)), own, first)
