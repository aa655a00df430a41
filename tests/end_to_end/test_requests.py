"""What the jobs of the ready configs ask of a cluster, at the last attempt of the SLURM profile; nothing runs."""

import logging
from dataclasses import dataclass
from pathlib import Path

import pytest
import yaml
from snakemake_executor_plugin_slurm.partitions import get_best_partition, read_partition_file

from retort.config.load import load_config
from retort.data.classes import class_list
from retort.plan.plan import Plan
from retort.plan.work import A_DAY, WorkOf
from tests.helpers.workspace import REPOSITORY, Workspace
from tests.staleness.planning import built

CONFIGS = sorted(path.name for path in (REPOSITORY / "configs").glob("*.yaml"))
PROFILE = yaml.safe_load((REPOSITORY / "profiles" / "slurm" / "config.yaml").read_text())
LAST = PROFILE["retries"] + 1
PARTITIONS = read_partition_file(REPOSITORY / "profiles" / "slurm" / "partitions.yaml")
TOGETHER = {entry.split("=")[0] for entry in PROFILE["groups"]}
LAYERS = 5  # ten jobs of a group, two at a time


@dataclass(frozen=True)
class Asked:
    rule: str
    wildcards: dict[str, str]
    first: int  # minutes at the first attempt
    last: int  # and at the last
    gpu: int
    local: bool  # runs where Snakemake does
    partition: str | None


@pytest.fixture(scope="module")
def home(tmp_path_factory) -> Path:
    workspace = Workspace.fresh(tmp_path_factory.mktemp("requests") / "workspace", {})
    images = workspace.folder / "path" / "to" / "images"
    for split in ("train", "val"):
        for name in ("a", "b"):
            (images / split / name).mkdir(parents=True)
            (images / split / name / "1.png").touch()
    return workspace.folder


@pytest.fixture(scope="module", params=CONFIGS)
def planned(request, home, monkeypatch_module) -> tuple[Plan, list[Asked]]:
    """Every job of a config and of every method in it, and the config's own plan."""
    monkeypatch_module.chdir(home)
    written = {"extends": f"configs/{request.param}"}
    config = load_config(dict(written), [])
    plan = Plan(config, class_list(config.dataset))
    targets = ["all", "report_page", "exports", *config.methods]
    overwritten = {name: int(count) for name, _, count in (e.partition("=") for e in PROFILE["set-threads"])}
    with built(home, written, targets, cores=64, overwrite_threads=overwritten) as workflow:
        jobs = [job for job in workflow.dag.jobs if job.output]
        return plan, [asked(job) for job in jobs]


@pytest.fixture(scope="module")
def monkeypatch_module():
    with pytest.MonkeyPatch.context() as patch:
        yield patch


def asked(job) -> Asked:
    first = job.resources.get("runtime", 0)
    job.attempt = LAST
    partition = get_best_partition(PARTITIONS, job, logging.getLogger("silent"))
    resources, local = job.resources, job.rule.name in job.rule.workflow._localrules
    words = {name: str(value) for name, value in job.wildcards_dict.items()}
    return Asked(job.rule.name, words, first, resources.get("runtime", 0), resources.get("gpu", 0), local, partition)


def computes_on_a_gpu(rule: str) -> bool:
    return callable(getattr(WorkOf, rule, None))


def test_no_job_asks_for_more_than_a_day_and_every_one_for_some_time(planned):
    _, jobs = planned
    assert not [job for job in jobs if job.last > A_DAY]
    assert not [job for job in jobs if not job.local and not 0 < job.first <= job.last]


def test_jobs_that_travel_together_take_less_than_a_day_together(planned):
    _, jobs = planned
    longest = {rule: max((job.last for job in jobs if job.rule == rule), default=0) for rule in TOGETHER}
    assert {rule: LAYERS * time for rule, time in longest.items() if LAYERS * time > A_DAY} == {}


def test_every_stage_that_computes_on_a_gpu_asks_for_one_and_for_the_time_of_its_work(planned):
    plan, jobs = planned
    of = WorkOf(plan)
    for job in jobs:
        gathers = job.rule == "train_students" and of.seeds_apart(job.wildcards)
        assert job.gpu == (computes_on_a_gpu(job.rule) and not gathers), job
        if job.gpu:
            needed = getattr(of, job.rule)(job.wildcards)
            assert (job.first, job.last) == (needed.minutes(1), needed.minutes(LAST)), job


def test_the_partition_file_keeps_jobs_with_and_without_a_gpu_apart(planned):
    _, jobs = planned
    submitted = [job for job in jobs if not job.local]
    assert [job for job in submitted if job.partition != ("gpu" if job.gpu else "cpu")] == []
    assert {job.partition for job in submitted} == {"cpu", "gpu"}


def test_seeds_are_apart_where_one_job_of_all_would_pass_a_day(planned):
    plan, jobs = planned
    of, alone = WorkOf(plan), [job.wildcards for job in jobs if job.rule == "train_one_student"]
    together = [job.wildcards for job in jobs if job.rule == "train_students"]
    apart = [cell for cell in together if of.students(cell, plan.seeds_of(**cell)).expected > A_DAY]
    assert {tuple(cell.items()) for cell in alone} == {
        tuple((cell | {"seed": str(seed)}).items()) for cell in apart for seed in plan.seeds(**cell)
    }
    if plan.dataset.name == "imagenet1k":
        assert {(cell["student"], cell["ipc"]) for cell in apart} == {("resnet101", "50")}
