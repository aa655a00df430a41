"""The table of speed: work, ours, baseline, ratio, equality, share of the limit.

    python -m bench [--full] [--only inversion ...] [--threads 1] [--csv results/bench.csv]

Ours is the library; the baseline, kept here, is a plain implementation of what the reference codes do. Both run in
turns on the same input, and a row whose results differ makes the command fail. Seconds are those of the CPU on one
thread and of the wall on more, or on a GPU; where a row says "wall" they are always that.
"""

import argparse
import importlib
import sys
from pathlib import Path

import torch
from threadpoolctl import threadpool_limits

from bench.rows import HEAD, clock_name, line, machine, versions, write_csv

WORK = (
    "group_selection",
    "inversion",
    "refinement",
    "generation",
    "discovery",
    "typicality",
    "students",
    "decoding",
    "reading_sets",
)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--full", action="store_true", help="at the sizes that docs and issues name; many minutes")
    parser.add_argument("--only", nargs="+", choices=WORK, default=WORK, metavar="WORK", help=", ".join(WORK))
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--csv", type=Path, default=Path("results/bench.csv"))
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    mode = "full" if options.full else "quick"
    facts = machine() | versions()
    print(f"{mode}, {clock_name()} seconds; {', '.join(f'{key} {value}' for key, value in facts.items())}\n")
    print(line(HEAD), line(["---"] * len(HEAD)), sep="\n")
    rows = []
    with threadpool_limits(options.threads):
        for work in options.only:
            for row in importlib.import_module(f"bench.{work}").measure(options.full):
                print(line(row.cells()), flush=True)
                rows.append(row)
    write_csv(rows, options.csv, mode=mode)
    print(f"\n{options.csv}")
    if differing := [row for row in rows if not row.equal]:
        sys.exit("".join(f"\nthe results of ours and the baseline differ: {r.work}: {r.equality}" for r in differing))


if __name__ == "__main__":
    main()
