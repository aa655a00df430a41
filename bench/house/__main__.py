"""How the code is laid out, as Markdown: of a revision, or of several side by side.

    python -m bench.house [REVISION ...] [--runs 5]

A revision is anything that git knows; without one, it is the working tree. With --runs, `snakemake -n` of the default
config from nothing is timed so many times for each, in turns. Nothing in this tree is changed.
"""

import argparse
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

from bench.house.additions import ADDITIONS, UnknownCommit, naming, touched
from bench.house.definitions import Definitions
from bench.house.path import files_of_rule
from bench.house.tree import WORKING_TREE, code_of, extract, git, glue, sizes
from bench.planning import timed

FOLLOWED = ("generate_images", "train_students", "tabulate_accuracy")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("revisions", nargs="*", metavar="REVISION", default=[WORKING_TREE])
    parser.add_argument("--runs", type=int, default=0, help="of `snakemake -n`; none by default")
    parser.add_argument("--files", action="store_true", help="name the files opened from a rule to its numbers")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        trees = {}
        for number, revision in enumerate(options.revisions):
            try:
                known = revision if revision == WORKING_TREE else git("rev-parse", "--short", revision).strip()
                trees[known] = extract(known, Path(folder, str(number)))
            except subprocess.CalledProcessError:
                sys.exit(f"git knows no revision {revision} here; give a commit, a branch or a tag")
        try:
            for table in (floors, glues, paths, added):
                print(table(trees), end="\n\n")
        except UnknownCommit as error:
            sys.exit(str(error))
        if options.files:
            print(opened(trees), end="\n\n")
        if options.runs:
            print(planning(trees, options.runs))


def table(head: list, rows: list[list]) -> str:
    return "\n".join(f"| {' | '.join(map(str, row))} |" for row in [head, ["---"] * len(head), *rows])


def floors(trees: dict[str, Path]) -> str:
    """Files and lines of each floor, blank lines and comments included."""
    found = {name: sizes(code_of(tree)) for name, tree in trees.items()}
    names = sorted({floor for by_floor in found.values() for floor in by_floor})
    rows = [[floor, *(_size(found[tree].get(floor)) for tree in trees)] for floor in names]
    total = [(len(code), sum(code.values())) for code in map(code_of, trees.values())]
    rows.append(["together", *map(_size, total)])
    return table(["files, lines", *trees], rows)


def _size(size: tuple[int, int] | None) -> str:
    return f"{size[0]}, {size[1]:,}" if size else ""


def glues(trees: dict[str, Path]) -> str:
    """Lines of rules, look-ups, scripts and binder, beside all lines."""
    rows = [["glue, lines"], ["share of the code"]]
    for code in map(code_of, trees.values()):
        rows[0].append(f"{glue(code):,}")
        rows[1].append(f"{glue(code) / sum(code.values()):.1%}")
    return table(["", *trees], rows)


def paths(trees: dict[str, Path]) -> str:
    """From a rule to its numbers (see bench.house.path)."""
    rows = []
    for rule in FOLLOWED:
        found = [files_of_rule(Definitions(tree), rule) for tree in trees.values()]
        rows.append([f"`{rule}`", *(f"{len(files)}, {sum(files.values())}" for files in found)])
    return table(["files to open, of them deciding", *trees], rows)


def opened(trees: dict[str, Path]) -> str:
    lines = []
    for rule in FOLLOWED:
        for name, tree in trees.items():
            files = files_of_rule(Definitions(tree), rule)
            lines.append(f"{rule}, {name}:")
            lines += [f"  {'decides' if deciding else 'open   '}  {path}" for path, deciding in files.items()]
    return "\n".join(lines)


def added(trees: dict[str, Path]) -> str:
    """Files of the code that additions touched (see bench.house.additions)."""
    rows = []
    for addition in ADDITIONS:
        every = set().union(*(touched(commit) for commit in addition.commits))
        names = set().union(*(touched(commit, addition.pattern) for commit in addition.commits))
        now = [len(naming(tree, addition.pattern)) for tree in trees.values()]
        commits = ", ".join(addition.commits)
        rows.append([f"{addition.kind}: {addition.name}", commits, len(every), len(names), *now])
    head = ["added", "by", "files that the commits touched", "of these with a line that names it"]
    return table([*head, *(f"files that name it in {name}" for name in trees)], rows)


def planning(trees: dict[str, Path], runs: int) -> str:
    """Seconds of `snakemake -n` of the default config from nothing, in turns; ratios to the first tree."""
    seconds = {name: [] for name in trees}
    for turn in range(runs + 1):
        for name, tree in trees.items():
            (once,), _ = timed(["-n"], 1, tree)
            seconds[name] += [once] if turn else []  # the first compiles and parses, and is not counted
    first = next(iter(trees))
    medians = [statistics.median(seconds[name]) for name in trees]
    ratios = [statistics.median(a / b for a, b in zip(seconds[n], seconds[first], strict=True)) for n in trees]
    rows = [["median, s", *(f"{m:.2f}" for m in medians)], [f"ratio to {first}", *(f"{r:.2f}" for r in ratios)]]
    return table([f"`snakemake -n`, {runs} runs", *trees], rows)


if __name__ == "__main__":
    main()
