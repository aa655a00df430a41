"""Group selection: all classes at once against the loop over classes and candidates that the paper's code uses.

    python bench/group_selection.py [--classes 10 100] [--ipc 10] [--dims 4096] [--groups 1000] [--threads 1]

The baseline samples every class's candidates, mean + std * z, in chunks and scores each chunk directly, in float32,
as the reference does; both sides score the same draws z, and the chosen groups must be the same. Times are CPU
seconds of this process, which other work on the machine disturbs less than wall time.
"""

import argparse
import time

import numpy as np
from threadpoolctl import threadpool_limits

from retort.methods.groups import BLOCK, best_groups

SKEW_WEIGHT = 0.1


def chosen_by_loop(mean: np.ndarray, std: np.ndarray, draws: list[np.ndarray]) -> np.ndarray:
    """The chosen group of each class: sample, score, keep the best, class by class."""
    chosen = []
    for centre, spread in zip(mean, std, strict=True):
        best, index, first = np.inf, -1, 0
        for z in draws:
            candidates = centre + spread * z
            group_mean, group_std = candidates.mean(axis=1), candidates.std(axis=1, ddof=1)
            cubes = (((candidates - group_mean[:, None]) / group_std[:, None]) ** 3).sum(axis=2)
            dims = candidates.shape[2]
            scores = (
                np.linalg.norm(group_mean - centre, axis=1)
                + np.linalg.norm(group_std - spread, axis=1)
                + SKEW_WEIGHT * np.linalg.norm(cubes * (dims / ((dims - 1) * (dims - 2))), axis=1)
            )
            if scores.min() < best:
                best, index = scores.min(), first + int(scores.argmin())
            first += len(z)
        chosen.append(index)
    return np.array(chosen)


def compare(classes: int, ipc: int, dims: int, groups: int) -> str:
    """One row of the table: both sides on the same draws, which are the same work for both and timed apart."""
    rng = np.random.default_rng(classes)
    mean = rng.standard_normal((classes, dims)).astype(np.float32)
    std = rng.uniform(0.5, 1.5, (classes, dims)).astype(np.float32)
    clock = [time.process_time()]
    draws = [
        np.random.default_rng([7, first]).standard_normal((min(BLOCK, groups - first), ipc, dims), dtype=np.float32)
        for first in range(0, groups, BLOCK)
    ]
    clock.append(time.process_time())
    ours = best_groups(draws.__getitem__, groups, std.astype(np.float64) ** 2, SKEW_WEIGHT).index
    clock.append(time.process_time())
    theirs = chosen_by_loop(mean, std, draws)
    clock.append(time.process_time())
    drawing, fast, slow = np.diff(clock)
    same = np.mean(ours == theirs)
    return f"| {classes} | {drawing:.2f} | {fast:.2f} | {slow:.2f} | {slow / fast:.1f} | {same:.0%} |"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--classes", type=int, nargs="+", default=[10, 100])
    parser.add_argument("--ipc", type=int, default=10)
    parser.add_argument("--dims", type=int, default=4096)
    parser.add_argument("--groups", type=int, default=1000)
    parser.add_argument("--threads", type=int, default=1)
    options = parser.parse_args()
    about = f"ipc {options.ipc}, D {options.dims}, {options.groups} groups, {options.threads} thread(s)"
    print(f"{about}, numpy {np.__version__}\n")
    print("| classes | draws | all at once | per-class loop | ratio | same groups |")
    print("|---|---|---|---|---|---|")
    with threadpool_limits(options.threads):
        for classes in options.classes:
            print(compare(classes, options.ipc, options.dims, options.groups), flush=True)


if __name__ == "__main__":
    main()
