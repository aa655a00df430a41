"""How many jobs a minute Snakemake starts here: on this machine's cores, and through a SLURM of its own.

The jobs do nothing but what every job of Retort does around its stage (a process, a log, a file that appears whole), so
this is what the stages' own work is paid on top of. SLURM needs root and Debian's slurm-wlm and munge.

    python -m bench.executors [--jobs 1000] [--single 60] [--group 50]
"""

import argparse
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from tests.helpers.cluster import Cluster

LIBRARY = Path(__file__).parents[1] / "workflow"
SNAKEFILE = """
rule all:
    input: expand("made/{n}", n=range(int(config["jobs"])))

rule trivial:
    output: "made/{n}"
    log: "logs/{n}.log"
    resources: mem_mb=100, runtime=5, slot=1
    script: "trivial.py"
"""
SCRIPT = """
from retort.base.files import write_json
from retort.running.job import job

with job(snakemake):
    write_json(snakemake.output[0], snakemake.wildcards.n)
"""
SLURM = """
executor: slurm
jobs: 100
slurm-init-seconds-before-status-checks: 3
seconds-between-status-checks: 3
slurm-status-command: squeue
latency-wait: 30
resources: [slot={cores}]
set-resource-scopes: [slot=local]
"""


def measure(folder: Path, jobs: int, *how: str) -> float:
    """Seconds for a number of jobs from nothing."""
    folder.mkdir()
    (folder / "Snakefile").write_text(SNAKEFILE)
    (folder / "trivial.py").write_text(SCRIPT)
    command = [sys.executable, "-m", "snakemake", "--quiet", "all", "--config", f"jobs={jobs}", *how]
    began = time.perf_counter()
    subprocess.run(command, cwd=folder, env={**os.environ, "PYTHONPATH": str(LIBRARY)}, check=True)
    seconds = time.perf_counter() - began
    assert len(list((folder / "made").iterdir())) == jobs
    return seconds


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--jobs", type=int, default=1000, help="on this machine; a quarter one at a time, a fifth grouped"
    )
    parser.add_argument("--single", type=int, default=60, help="jobs that are submitted one by one")
    parser.add_argument("--group", type=int, default=50, help="jobs that travel in one job of SLURM's")
    wanted = parser.parse_args()
    cores = os.cpu_count()
    with tempfile.TemporaryDirectory(prefix="jobs-") as scratch:
        here = Path(scratch)
        ways = [("this machine", wanted.jobs, ["--cores", str(cores)])]
        ways.append(("one process", wanted.jobs // 4, ["--cores", "1"]))
        with Cluster(here / "slurm", nodes=("n1",)):
            profile = here / "profile"
            profile.mkdir()
            (profile / "config.yaml").write_text(SLURM.format(cores=cores))
            grouped = ["--groups", "trivial=small", "--group-components", f"small={wanted.group}"]
            ways.append(("SLURM, one by one", wanted.single, ["--profile", str(profile)]))
            ways.append((f"SLURM, {wanted.group} to a job", wanted.jobs // 5, ["--profile", str(profile), *grouped]))
            print(f"{'executor':24} {'jobs':>6} {'seconds':>9} {'jobs/min':>9}")
            for n, (name, jobs, how) in enumerate(ways):
                seconds = measure(here / str(n), jobs, *how)
                print(f"{name:24} {jobs:6} {seconds:9.1f} {60 * jobs / seconds:9.0f}", flush=True)


if __name__ == "__main__":
    main()
