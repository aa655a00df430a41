"""dag: the smoke config through Snakemake, as a user runs it on a machine with a GPU."""

import csv
import os
import re
from pathlib import Path

import torch

from retort.artifacts.job_logs import ON_GPU
from tests.gpu.harness import Bench, Checks
from tests.helpers.workspace import Workspace, smoke_config

CPU = "this job computes on the CPU"
PROFILE = ("--profile", "profiles/local-gpu")


def run(bench: Bench, checks: Checks) -> None:
    workspace = Workspace.fresh(bench.folder / "dag", smoke_config())
    cores = str(len(os.sched_getaffinity(0)))
    output = workspace.run("--cores", cores, *PROFILE)  # an error of the part, with its output, if it does not exit 0
    checks.that("the run exits 0", True, re.search(r"All \d+ jobs are done", output)[0])
    examine(checks, workspace, torch.cuda.get_device_name() if bench.on_gpu else "")
    again = workspace.run("--cores", cores, *PROFILE)
    checks.that("a second run has nothing to do", "Nothing to be done" in again)


def examine(checks: Checks, workspace: Workspace, gpu: str) -> None:
    """Logs and costs of a finished run: on the GPU of this name, or on none where it is empty."""
    rules, logs = gpu_rules(workspace.folder / "rules"), workspace.results("smoke", "logs")
    seen = {rule: sorted(logs.glob(f"{rule}/**/*.log")) + sorted(logs.glob(f"{rule}.log")) for rule in rules}
    texts = {log: log.read_text(errors="replace") for found in seen.values() for log in found}
    checks.that("stages that ask for a GPU left logs", len(texts) >= len(rules) / 2, f"{len(texts)} logs")
    said = f"{ON_GPU} {gpu}" if gpu else CPU
    silent = [str(log.relative_to(logs)) for log, text in texts.items() if said not in text]
    checks.that(f"each of their logs has {said!r}", not silent, ", ".join(silent[:5]))
    with open(workspace.results("costs.csv")) as file:
        rows = list(csv.DictReader(file))
    used = {row["stage"]: float(row["peak_gpu_memory_mb"] or 0) for row in rows if row["stage"] in rules}
    checks.that("costs.csv has stages that ask for a GPU", len(used) > 3, len(used))
    without = [stage for stage, megabytes in used.items() if (megabytes > 0) != bool(gpu)]
    checks.that(f"costs.csv has {'' if gpu else 'no '}GPU memory for them", not without, ", ".join(without))
    checks.figure("most GPU memory of a stage, MB", max(used.values(), default=0.0))


def gpu_rules(folder: Path) -> set[str]:
    """Rules that ask for a GPU."""
    text = "\n".join(path.read_text() for path in sorted(folder.glob("*.smk")))
    blocks = re.split(r"^rule ", text, flags=re.M)[1:]
    return {block.split(":")[0] for block in blocks if re.search(r"^        gpu=1,", block, re.M)}
