"""What each method cost, by stage: measured by Snakemake, apportioned where shared, projected to the full data set."""

import csv
import re
from collections.abc import Iterator, Sequence
from pathlib import Path

import pandas as pd
from tqdm import tqdm

from retort.artifacts.costs import ALL
from retort.artifacts.job_logs import ON_GPU
from retort.base.files import whole_file
from retort.data.manifest import read_classes, read_split

MEASURED = ["seconds", "cpu_seconds", "gpu_seconds", "peak_memory_mb", "peak_gpu_memory_mb", "bytes"]
JOB_COLUMNS = ["stage", "item", *MEASURED]
COLUMNS = ["method", "stage", "jobs", *MEASURED, "shared_by", "apportioned_seconds"]
COLUMNS += ["grows_with", "projected_hours", "projected_to"]
END_OF_LOG = 4096  # bytes; a job that computed on a GPU says so at its end


def tabulate_costs(
    jobs: Sequence[dict],
    manifest: str,
    class_table: str,
    csv: str,
    per_job: str,
    *,
    shards: Sequence[str],
    full: dict | None,
) -> None:
    """`csv`: a row for each method and stage, see `cost_table`; `per_job`: CSV of JOB_COLUMNS.

    jobs: stage, methods (that use it), grows_with, and the paths benchmark, log and outputs, with {shard} in them where
    the stage works by shards. full: classes and images of the whole data set, where that is known; the data set at hand
    has those of `class_table` and the training split of `manifest`.
    """
    own = {"classes": len(read_classes(class_table)), "images": len(read_split(manifest, "train", columns=["row"]))}
    measured = pd.DataFrame([found for job in tqdm(jobs, unit="job") for found in measured_jobs(job, shards)])
    with whole_file(per_job) as scratch:
        measured[JOB_COLUMNS].to_csv(scratch, index=False, float_format="%.2f")
    with whole_file(csv) as scratch:
        cost_table(measured, own, full).to_csv(scratch, index=False, float_format="%.6g")


def cost_table(measured: pd.DataFrame, own: dict, full: dict | None) -> pd.DataFrame:
    """COLUMNS for each method and stage, then for all methods together, where every job counts once.

    seconds are those of a method run alone. apportioned_seconds divides each job's seconds by the methods that use it
    (shared_by, "1-3" where the stage's jobs differ), so that they add up to the seconds of all. gpu_seconds are the
    seconds of jobs that computed on a GPU, which they hold while they run. bytes: what the stage's jobs wrote, as it
    lies on the disk. A number that a job lacks leaves the sum empty, a peak is that of the others.

    projected_hours: of a method run alone on the whole data set, at the same images per class and on the same machine,
    if a job's seconds grow in proportion to images or classes, as grows_with says; empty where the size is not known.
    """
    measured = measured.assign(users=measured["methods"].map(len), hours=_projected(measured, own, full))
    measured["apportioned_seconds"] = measured["seconds"] / measured["users"]
    order = list(dict.fromkeys(name for names in measured["methods"] for name in names))
    target = f"{full['classes']} classes and {full['images']} images" if full else ""
    rows = []
    for method in [*order, ALL]:
        own_jobs = measured if method == ALL else measured[measured["methods"].map(lambda names, m=method: m in names)]
        for stage, group in own_jobs.groupby("stage", sort=False):
            rows.append({"method": method, "stage": stage} | _row(group) | {"projected_to": target})
            if method == ALL:
                rows[-1] |= {"shared_by": "", "apportioned_seconds": rows[-1]["seconds"]}
    return pd.DataFrame(rows, columns=COLUMNS)


def _row(jobs: pd.DataFrame) -> dict:
    low, high = jobs["users"].min(), jobs["users"].max()
    sums = ("seconds", "cpu_seconds", "gpu_seconds", "bytes", "apportioned_seconds")
    return {
        "jobs": len(jobs),
        **{name: jobs[name].sum(skipna=False) for name in sums},
        **{name: jobs[name].max() for name in ("peak_memory_mb", "peak_gpu_memory_mb")},
        "shared_by": str(low) if low == high else f"{low}-{high}",
        "grows_with": " or ".join(sorted(jobs["grows_with"].unique())),
        "projected_hours": jobs["hours"].sum(skipna=False),
    }


def _projected(measured: pd.DataFrame, own: dict, full: dict | None) -> pd.Series:
    """Hours of each job on the whole data set."""
    if full is None:
        return pd.Series(float("nan"), index=measured.index)
    factors = {"nothing": 1.0} | {what: full[what] / own[what] for what in ("images", "classes")}
    return measured["seconds"] * measured["grows_with"].map(factors) / 3600


def measured_jobs(job: dict, shards: Sequence[str]) -> Iterator[dict]:
    """JOB_COLUMNS, methods and grows_with of a stage's job, or of each of its shards."""
    for shard in shards if "{shard}" in job["benchmark"] else [""]:
        benchmark, log, *outputs = (
            Path(pattern.format(shard=shard)) for pattern in (job["benchmark"], job["log"], *job["outputs"])
        )
        found = _benchmark(benchmark)
        yield {
            "stage": job["stage"],
            "item": _item(benchmark, job["stage"]),
            **found,
            **_on_gpu(log, found["seconds"]),
            "bytes": sum(map(_size, outputs)),
            "methods": job["methods"],
            "grows_with": job["grows_with"],
        }


def _benchmark(path: Path) -> dict[str, float]:
    """Of the last row, since Snakemake writes one for each repeat; a job too short to be measured has dashes."""
    with open(path, newline="") as handle:
        row = list(csv.DictReader(handle, delimiter="\t"))[-1]
    names = {"seconds": "s", "cpu_seconds": "cpu_time", "peak_memory_mb": "max_rss"}
    return {name: float("nan") if row[key] in ("-", "NA") else float(row[key]) for name, key in names.items()}


def _item(path: Path, stage: str) -> str:
    """The part of a benchmark's path behind the folder of its stage."""
    parts = path.with_suffix("").parts
    return "/".join(parts[len(parts) - parts[::-1].index(stage) :])


def _on_gpu(log: Path, seconds: float) -> dict[str, float]:
    """A job's seconds and peak memory on a GPU: none where its log does not say so, not known without a log."""
    if not log.exists():
        return {"gpu_seconds": float("nan"), "peak_gpu_memory_mb": float("nan")}
    with open(log, "rb") as handle:
        handle.seek(max(0, log.stat().st_size - END_OF_LOG))
        end = handle.read().decode(errors="replace")
    said = re.search(rf"^{ON_GPU} .*, peak memory ([\d.]+) MB$", end, re.MULTILINE)
    return {"gpu_seconds": seconds if said else 0.0, "peak_gpu_memory_mb": float(said[1]) if said else 0.0}


def _size(path: Path) -> float:
    """Bytes of a file, or of all files below a folder; not a number where it is gone."""
    if path.is_dir():
        return sum(file.stat().st_size for file in path.rglob("*") if file.is_file())
    return path.stat().st_size if path.exists() else float("nan")
