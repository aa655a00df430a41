"""How long `snakemake -n` takes: after `make demo`, with nothing to do; and for all of ImageNet-1K, from nothing.

python -m bench.planning [--runs 5] [--only demo|imagenet1k]
"""

import argparse
import re
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import yaml

ROOT = Path(__file__).resolve().parents[1]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--only", choices=["demo", "imagenet1k"])
    options = parser.parse_args()
    if options.only != "imagenet1k":
        seconds, output = timed(["-n"], options.runs)
        if "Nothing to be done" not in output:
            sys.exit("there is something to do; run `make demo` first")
        print(f"snakemake -n, nothing to do: median {statistics.median(seconds):.2f} s of {options.runs} runs")
    if options.only != "demo":
        plan_imagenet(options.runs)


def plan_imagenet(runs: int) -> None:
    """Every method of configs/imagenet1k.yaml at four image counts by both protocols, three students, three seeds."""
    config = yaml.safe_load((ROOT / "configs" / "imagenet1k.yaml").read_text())
    every = {"methods": list(config["methods"]), "ipc": [1, 10, 50, 100], "protocols": list(config["protocols"])}
    config["runs"] = [every | {"students": ["resnet18", "resnet50", "resnet101"], "seeds": 3}]
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, "imagenet1k.yaml")
        file.write_text(yaml.safe_dump(config))
        arguments = ["-n", "-s", str(ROOT / "Snakefile"), "--configfile", str(file), "--directory", folder]
        seconds, output = timed(arguments, runs)
    jobs = re.search(r"^total +(\d+)$", output, re.M)[1]
    print(
        f"configs/imagenet1k.yaml, {len(config['methods'])} methods at IPC 1, 10, 50 and 100, two protocols, three "
        f"students, three seeds: {jobs} jobs, median {statistics.median(seconds):.2f} s of {runs} runs"
    )


def timed(arguments: list[str], runs: int, tree: Path = ROOT) -> tuple[list[float], str]:
    """Seconds of each run of snakemake in the repository, or in another tree, and what the last one printed."""
    seconds = []
    for _ in range(runs):
        began = time.perf_counter()
        done = subprocess.run(
            [sys.executable, "-m", "snakemake", *arguments], cwd=tree, capture_output=True, text=True, check=False
        )
        seconds.append(time.perf_counter() - began)
        if done.returncode:
            sys.exit(f"the plan failed:\n{done.stderr[-2000:]}")
    return seconds, done.stdout + done.stderr


if __name__ == "__main__":
    main()
