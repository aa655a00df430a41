"""What sharing saves: the whole grid against the sum of its methods, each run alone from nothing.

    python -m bench.sharing       (after a finished run of the default config)

Snakemake is asked which jobs the grid, and each method alone, would start from nothing; every job counts with the
seconds that Snakemake's benchmark of it holds from the one finished run. So both sides come from the same
measurements, and differ only in how often a shared job counts.
"""

import re

import yaml

from bench.planned import ROOT, Job, planned


def jobs_for(*targets: str) -> set[Job]:
    """All jobs up to the students that these targets take from nothing."""
    return {job for job in planned(*targets) if not re.match("tabulate_|draw_", job.rule)}


def seconds(jobs: set[Job]) -> float:
    return sum(job.seconds for job in jobs)


def main() -> None:
    config = yaml.safe_load((ROOT / "config.yaml").read_text())
    wanted = dict.fromkeys(method for run in config["runs"] for method in run["methods"])
    alone = {method: jobs_for(method) for method in wanted}
    grid = set.union(*alone.values())
    print("| what | jobs | seconds |\n|---|---|---|")
    for method, jobs in alone.items():
        print(f"| {method} alone | {len(jobs)} | {seconds(jobs):.0f} |")
    total = sum(map(seconds, alone.values()))
    print(f"| sum of the methods alone | {sum(map(len, alone.values()))} | {total:.0f} |")
    print(f"| the whole grid | {len(grid)} | {seconds(grid):.0f} |")
    print(f"\nratio {seconds(grid) / total:.2f}")


if __name__ == "__main__":
    main()
