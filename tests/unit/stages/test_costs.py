"""What methods cost, against a grid worked out by hand, and which jobs stand behind which method."""

import math
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import yaml
from tests.helpers.fake_jobs import fake_job
from tests.helpers.workspace import REPOSITORY

from retort.artifacts.costs import ALL
from retort.config.load import load_config
from retort.data.manifest import ClassEntry, write_manifest
from retort.plan.jobs import full_size, grows_with, jobs_behind, shared_jobs
from retort.plan.plan import Plan
from retort.running.job import job
from retort.stages.tables.tabulate_costs import COLUMNS, JOB_COLUMNS, cost_table, measured_jobs, tabulate_costs

HEADER = ["s", "h:m:s", "max_rss", "max_vms", "max_uss", "max_pss", "io_in", "io_out", "mean_load", "cpu_time"]
OWN, FULL = {"classes": 2, "images": 40}, {"classes": 10, "images": 1000}


def write_benchmark(path: Path, *rows: tuple) -> str:
    """One row of (seconds, cpu_seconds, peak memory) for each repeat."""
    path.parent.mkdir(parents=True, exist_ok=True)
    lines = [HEADER, *([s, "0:00:00", memory, 9, 9, 9, 9, 9, 9, cpu] for s, cpu, memory in rows)]
    path.write_text("\n".join("\t".join(map(str, line)) for line in lines) + "\n")
    return str(path)


def one_job(
    folder: Path,
    stage: str,
    item: str,
    methods: list[str],
    grows: str,
    *shards: tuple[float, bool],
    suffix: str = "{shard}",
) -> dict:
    """A job of some shards, each of these seconds and on a GPU or not, that wrote 100 bytes a shard."""
    paths = {what: str(folder / what / stage / item / suffix) for what in ("benchmarks", "logs", "written")}
    for i, (seconds, gpu) in enumerate(shards):
        log = Path(paths["logs"].format(shard=i) + ".log")
        write_benchmark(Path(paths["benchmarks"].format(shard=i) + ".tsv"), (seconds, 2 * seconds, 100 + seconds))
        log.parent.mkdir(parents=True, exist_ok=True)
        log.write_text("step 1\n" + ("retort: computed on NVIDIA H100, peak memory 512.5 MB\n" if gpu else ""))
        written = Path(paths["written"].format(shard=i))
        written.parent.mkdir(parents=True, exist_ok=True)
        written.write_bytes(bytes(100))
    return {
        "stage": stage,
        "methods": methods,
        "grows_with": grows,
        "benchmark": paths["benchmarks"] + ".tsv",
        "log": paths["logs"] + ".log",
        "outputs": [paths["written"]],
    }


@pytest.fixture
def grid(tmp_path) -> list[dict]:
    """Three methods: a and b sample alike for one image, b alone for five; all learn from one encoder."""
    once = {"suffix": "all"}
    return [
        one_job(tmp_path, "train_vae", "vae", ["a", "b", "c"], "nothing", (30.0, False), **once),
        one_job(tmp_path, "generate_images", "a/n1", ["a", "b"], "classes", (10.0, True), (20.0, False)),
        one_job(tmp_path, "generate_images", "b/n5", ["b"], "classes", (50.0, True), (60.0, True)),
        one_job(tmp_path, "encode_latents", "vae", ["a", "c"], "images", (4.0, False), (6.0, False)),
        *(one_job(tmp_path, "write_set", f"{m}/ipc1", [m], "classes", (1.0, False), **once) for m in "abc"),
    ]


def measured(grid: list[dict]) -> pd.DataFrame:
    return pd.DataFrame([found for job in grid for found in measured_jobs(job, ["0", "1"])])


def cell(table: pd.DataFrame, method: str, stage: str) -> pd.Series:
    (row,) = (r for _, r in table.iterrows() if (r["method"], r["stage"]) == (method, stage))
    return row


def test_apportioned_seconds_of_the_methods_add_up_to_all_jobs_counted_once(grid):
    table = cost_table(measured(grid), OWN, FULL)
    alone, together = table[table["method"] != ALL], table[table["method"] == ALL]
    assert together["seconds"].sum() == 30 + 30 + 110 + 10 + 3
    assert together["jobs"].sum() == 1 + 2 + 2 + 2 + 3
    assert alone["apportioned_seconds"].sum() == pytest.approx(183)
    sums = alone.groupby("method")["apportioned_seconds"].sum()
    assert sums["a"] == pytest.approx(30 / 3 + 30 / 2 + 10 / 2 + 1)
    assert sums["b"] == pytest.approx(30 / 3 + 30 / 2 + 110 + 1)
    assert sums["c"] == pytest.approx(30 / 3 + 10 / 2 + 1)
    by_stage = alone.groupby("stage")["apportioned_seconds"].sum()
    assert {s: by_stage[s] for s in together["stage"]} == pytest.approx(
        dict(zip(together["stage"], together["seconds"], strict=True))
    )


def test_a_row_sums_the_jobs_that_a_method_would_run_alone(grid):
    table = cost_table(measured(grid), OWN, FULL)
    row = cell(table, "b", "generate_images")
    assert (row["jobs"], row["seconds"], row["cpu_seconds"], row["bytes"]) == (4, 140, 280, 400)
    assert (row["gpu_seconds"], row["peak_memory_mb"], row["peak_gpu_memory_mb"]) == (120, 160, 512.5)
    assert row["shared_by"] == "1-2"
    assert cell(table, "a", "generate_images")["shared_by"] == "2"
    assert cell(table, "c", "train_vae")["seconds"] == 30
    assert not ((table["method"] == "b") & (table["stage"] == "encode_latents")).any()
    assert table["method"].drop_duplicates().tolist() == ["a", "b", "c", ALL]


def test_hours_are_projected_by_what_the_work_grows_with(grid):
    table = cost_table(measured(grid), OWN, FULL)
    assert cell(table, "a", "train_vae")["projected_hours"] == pytest.approx(30 / 3600)
    assert cell(table, "a", "generate_images")["projected_hours"] == pytest.approx(30 * 5 / 3600)
    assert cell(table, "a", "encode_latents")["projected_hours"] == pytest.approx(10 * 25 / 3600)
    assert cell(table, "a", "write_set")["projected_to"] == "10 classes and 1000 images"
    unknown = cost_table(measured(grid), OWN, None)
    assert unknown["projected_hours"].isna().all()
    assert (unknown["projected_to"] == "").all()


def test_what_was_not_measured_leaves_a_sum_empty_instead_of_too_small(grid, tmp_path):
    job = one_job(tmp_path, "write_set", "short/ipc1", ["a"], "classes", (0.5, False), suffix="all")
    write_benchmark(Path(job["benchmark"]), (0.5, "-", "-"))
    Path(job["log"]).unlink()
    Path(job["outputs"][0]).unlink()
    row = cell(cost_table(measured([*grid, job]), OWN, FULL), "a", "write_set")
    assert row["seconds"] == 1.5
    assert all(math.isnan(row[name]) for name in ("cpu_seconds", "gpu_seconds", "bytes"))
    assert row["peak_memory_mb"] == 101


def test_the_last_row_of_a_benchmark_counts_and_folders_are_summed(tmp_path):
    job = one_job(tmp_path, "write_set", "random/ipc1", ["random"], "classes", (1.0, False), suffix="all")
    write_benchmark(Path(job["benchmark"]), (1.5, 1.5, 100), (2.5, 3.5, 90))  # one row for each repeat
    folder = tmp_path / "set"
    for name, size in (("a/0.png", 5), ("b/0.png", 7), ("manifest.csv", 11)):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(bytes(size))
    (found,) = measured_jobs(job | {"outputs": [str(folder)]}, [])
    assert (found["seconds"], found["cpu_seconds"], found["peak_memory_mb"], found["bytes"]) == (2.5, 3.5, 90, 23)
    assert found["item"] == "random/ipc1/all"


def test_a_method_called_like_a_stage_does_not_shorten_the_item(tmp_path):
    job = one_job(tmp_path / "write_set", "write_set", "x/ipc1", ["x"], "classes", (1.0, False), suffix="all")
    (found,) = measured_jobs(job, [])
    assert found["item"] == "x/ipc1/all"


def test_both_tables_read_back(grid, tmp_path):
    images = pd.DataFrame({"split": ["train"] * 40 + ["val"] * 9, "class_id": ["x", "y"] * 24 + ["x"]})
    images = images.assign(class_index=0, class_name="", width=8, height=8, image_id="i", path="p")
    write_manifest(images, [ClassEntry(0, "x", "x"), ClassEntry(1, "y", "y")], tmp_path / "m.parquet", tmp_path / "c")
    paths = [str(tmp_path / name) for name in ("m.parquet", "c", "costs.csv", "jobs.csv")]
    tabulate_costs(grid, *paths, shards=["0", "1"], full=FULL)
    costs, jobs = (pd.read_csv(path, dtype={"shared_by": str}) for path in paths[2:])
    assert costs.columns.tolist() == COLUMNS
    assert jobs.columns.tolist() == JOB_COLUMNS
    assert jobs["seconds"].sum() == 183
    assert jobs["item"].tolist()[:3] == ["vae/all", "a/n1/0", "a/n1/1"]
    expected = cost_table(measured(grid), OWN, FULL)
    np.testing.assert_allclose(costs["projected_hours"], expected["projected_hours"], rtol=1e-5)
    assert costs["shared_by"].dropna().tolist() == [by for by in expected["shared_by"] if by]


# ---------------------------------------------------------------- on a GPU or not


def fake_torch(used: bool) -> SimpleNamespace:
    cuda = SimpleNamespace(
        is_initialized=lambda: used, get_device_name=lambda: "Device 9", max_memory_reserved=lambda: 3 * 2**19
    )
    return SimpleNamespace(cuda=cuda, set_num_threads=lambda n: None)


@pytest.mark.parametrize(("used", "expected"), [(True, (7.0, 1.5)), (False, (0.0, 0.0))])
def test_a_job_that_computed_on_a_gpu_is_known_by_its_log(tmp_path, monkeypatch, used, expected):
    costs = one_job(tmp_path, "generate_images", "a/n1", ["a"], "classes", (7.0, False), suffix="all")
    monkeypatch.setitem(sys.modules, "torch", fake_torch(used))
    with job(fake_job(costs["log"])):
        print("step 1")
    (found,) = measured_jobs(costs, [])
    assert (found["gpu_seconds"], found["peak_gpu_memory_mb"]) == expected


# ---------------------------------------------------------------- which jobs


@pytest.fixture
def raw() -> dict:
    return yaml.safe_load((REPOSITORY / "configs" / "smoke.yaml").read_text())


def plan(raw: dict) -> Plan:
    return Plan(load_config(raw), ["0", "1"])


def users(raw: dict) -> dict[tuple, list[str]]:
    return {(job.stage, *job.wildcards.values()): job.methods for job in shared_jobs(plan(raw))}


def test_jobs_know_the_methods_that_use_them(raw):
    found = users(raw)
    assert found["build_manifest",] == plan(raw).wanted_methods
    assert found["invert_latents", "ddim"] == ["d3hr", "d3hr-cao2", "d3hr-coda"]
    assert found["generate_images", "dit", "2"] == ["dit"]
    assert found["score_typicality", "default"] == ["ddps"]
    soft = ["random", "dit", "d3hr", "full"]
    judged = ["kmeans", "rded", "cao2", "d3hr-cao2", "s3", "rded-gradient"]
    assert found["train_teacher", "resnet"] == [*soft, *judged]
    assert found["train_dynamics", "lessons", "1"] == found["record_dynamics", "lessons"] == ["el2n", "cad"]
    assert found["train_students", "herding", "1", "hard", "resnet8"] == ["herding"]
    assert "random" not in found["train_vae", "vae"]
    assert not [job for job in found if job[0] == "train_one_student"]


def test_seeds_that_are_jobs_of_their_own_are_counted_as_such(raw):
    found = users(raw | {"seeds_apart": "always"})
    assert found["train_one_student", "dit", "2", "hard", "resnet8", "0"] == ["dit"]
    assert found["train_one_student", "dit", "2", "hard", "resnet8", "1"] == ["dit"]
    assert ("train_one_student", "dit", "2", "hard", "resnet8", "2") not in found
    assert found["train_students", "dit", "2", "hard", "resnet8"] == ["dit"]


def test_methods_that_sample_alike_share_the_job(raw):
    raw["methods"]["twin"] = raw["methods"]["cao2"] | {"refine": {"iterations": 9, "steps": 20}}
    raw["runs"][1]["methods"].append("twin")
    found = users(raw)
    assert found["generate_images", "cao2", "2"] == ["cao2", "twin"]
    assert found["refine_latents", "twin", "1"] == ["twin"]


def test_every_job_of_the_grid_is_some_methods_and_none_is_twice(raw):
    whole = plan(raw)
    jobs = shared_jobs(whole)
    keys = [(job.stage, *sorted(job.wildcards.items())) for job in jobs]
    assert len(set(keys)) == len(keys) == sum(map(len, jobs_behind(whole).values()))
    assert all(job.methods for job in jobs)
    alone = sum(len(items) for method in whole.wanted_methods for items in jobs_behind(whole.only(method)).values())
    assert sum(len(job.methods) for job in jobs) == alone


def test_work_grows_with_images_classes_or_nothing(raw):
    whole, students = plan(raw), {"ipc": "2", "student": "resnet8"}
    assert grows_with(whole, "encode_latents", {"encoder": "vae"}) == "images"
    assert grows_with(whole, "generate_images", {"method": "dit", "number": "2"}) == "classes"
    assert grows_with(whole, "train_dit", {"model": "dit"}) == "nothing"
    assert grows_with(whole, "train_students", students | {"method": "dit", "protocol": "hard"}) == "nothing"  # steps
    assert grows_with(whole, "train_students", students | {"method": "dit", "protocol": "soft"}) == "classes"
    assert grows_with(whole, "train_students", students | {"method": "full", "protocol": "soft"}) == "images"
    assert grows_with(whole, "write_set", {"method": "full", "ipc": "all"}) == "images"


def test_the_full_size_is_that_of_the_published_data_set(raw):
    assert full_size(plan(raw)) == {"classes": 10, "images": 1397}
