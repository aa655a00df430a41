"""Where the time of a finished run goes: seconds of its jobs by stage, and the share of them that is start-up.

    python -m bench.stages [results]

Start-up is what a job takes by Snakemake's benchmark and not by its log, whose clock starts behind the imports of the
script: Python, those imports, and the end of the process. What a stage imports later counts as its work.
"""

import re
import sys
from pathlib import Path

import pandas as pd

from retort.artifacts.job_logs import DONE


def jobs_of(results: Path) -> pd.DataFrame:
    """stage, seconds and startup (seconds) of each job that has a log and took long enough to be measured."""
    found = []
    for benchmark in results.glob("*/benchmarks/**/*.tsv"):
        place = benchmark.relative_to(results)
        log = results / place.parts[0] / "logs" / Path(*place.parts[2:]).with_suffix(".log")
        seconds = pd.read_csv(benchmark, sep="\t", na_values="-").iloc[-1]["s"]
        if log.exists() and (worked := re.findall(rf"^{DONE} ([\d.]+) s$", log.read_text(errors="replace"), re.M)):
            found.append({"stage": place.parts[2], "seconds": seconds, "startup": seconds - float(worked[-1])})
    return pd.DataFrame(found, columns=["stage", "seconds", "startup"]).dropna()


def main() -> None:
    jobs = jobs_of(Path(*sys.argv[1:] or ["results"]))
    if jobs.empty:
        sys.exit("no job of a finished run is here; run `make demo` first")
    table = jobs.groupby("stage").agg(jobs=("seconds", "size"), seconds=("seconds", "sum"), startup=("startup", "sum"))
    table["share of all"], total = table["seconds"] / table["seconds"].sum(), table.sum()
    table["startup share"] = table["startup"] / table["seconds"]
    print(table.sort_values("seconds", ascending=False).to_markdown(floatfmt=("", ".0f", ".1f", ".1f", ".0%", ".0%")))
    share = total["startup"] / total["seconds"]
    print(f"\n{len(jobs)} jobs: {total['seconds']:.0f} s, start-up {total['startup']:.0f} s: {share:.0%} of it")


if __name__ == "__main__":
    main()
