"""What sharing saves: the whole grid against the sum of its methods, each run alone from nothing.

    python bench/sharing.py       (after a finished run of the default config)

Snakemake is asked which jobs the grid, and each method alone, would start from nothing; every job counts with the
seconds that Snakemake's benchmark of it holds from the one finished run. So both sides come from the same
measurements, and differ only in how often a shared job counts.
"""

import re
import subprocess
import sys
from pathlib import Path

import pandas as pd
import yaml

ROOT = Path(__file__).resolve().parents[1]


def benchmarks(*targets: str) -> set[str]:
    """The benchmark files of all jobs up to the students that these targets take from nothing."""
    command = [sys.executable, "-m", "snakemake", "--dry-run", "--forceall", "--cores", "2", *targets]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    found = re.findall(r"^ +benchmark: (\S+)$", done.stdout + done.stderr, flags=re.MULTILINE)
    return {file for file in found if not re.search("/(tabulate|draw)_", file)}


def seconds(files: set[str]) -> float:
    return sum(float(pd.read_csv(ROOT / file, sep="\t").iloc[-1]["s"]) for file in files)


def main() -> None:
    config = yaml.safe_load((ROOT / "config.yaml").read_text())
    wanted = dict.fromkeys(method for run in config["runs"] for method in run["methods"])
    alone = {method: benchmarks(method) for method in wanted}
    grid = set.union(*alone.values())
    print("| what | jobs | seconds |\n|---|---|---|")
    for method, files in alone.items():
        print(f"| {method} alone | {len(files)} | {seconds(files):.0f} |")
    total = sum(map(seconds, alone.values()))
    print(f"| sum of the methods alone | {sum(map(len, alone.values()))} | {total:.0f} |")
    print(f"| the whole grid | {len(grid)} | {seconds(grid):.0f} |")
    print(f"\nratio {seconds(grid) / total:.2f}")


if __name__ == "__main__":
    main()
