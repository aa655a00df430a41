"""Where the time of a run goes: results/jobs.csv by stage, and the share that is process start-up.

    python bench/stages.py

Start-up is measured here, as the median of three empty jobs that import what the stage imports, and multiplied by
the number of the stage's jobs.
"""

import os
import statistics
import subprocess
import sys
import time
from pathlib import Path

import pandas as pd

ROOT = Path(__file__).resolve().parents[1]


def startup(script: Path) -> float:
    """Median seconds to start Python and run the script's imports, one after the other."""
    imports = "\n".join(line for line in script.read_text().splitlines() if line.startswith(("import ", "from ")))
    environment = os.environ | {"PYTHONPATH": str(ROOT / "workflow")}
    seconds = []
    for _ in range(3):
        began = time.perf_counter()
        subprocess.run([sys.executable, "-c", "import snakemake.script\n" + imports], check=True, env=environment)
        seconds.append(time.perf_counter() - began)
    return statistics.median(seconds)


costs = pd.read_csv(ROOT / "results" / "jobs.csv")
table = costs.groupby("stage", sort=False)["seconds"].agg(["size", "sum"]).set_axis(["jobs", "seconds"], axis=1)
table["startup"] = [startup(ROOT / "workflow" / "scripts" / f"{stage}.py") * n for stage, n in table["jobs"].items()]
table["share of all"] = table["seconds"] / table["seconds"].sum()
print(table.to_markdown(floatfmt=".2f"))
print(
    f"\nall jobs: {table['seconds'].sum():.0f} s, start-up {table['startup'].sum() / table['seconds'].sum():.0%} of it"
)
