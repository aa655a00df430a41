"""How long `snakemake -n` takes when there is nothing to do: run it after `make demo`.

python bench/planning.py [--runs 5]
"""

import argparse
import statistics
import subprocess
import sys
import time

parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
parser.add_argument("--runs", type=int, default=5)
options = parser.parse_args()

seconds = []
for _ in range(options.runs):
    began = time.perf_counter()
    done = subprocess.run([sys.executable, "-m", "snakemake", "-n"], capture_output=True, text=True)
    seconds.append(time.perf_counter() - began)
    if done.returncode or "Nothing to be done" not in done.stdout + done.stderr:
        sys.exit("there is something to do, or the plan failed; run `make demo` first\n" + done.stderr[-2000:])
print(f"snakemake -n, nothing to do: median {statistics.median(seconds):.2f} s of {options.runs} runs")
