"""Group selection: all classes at once against the loop over classes and groups' members that the paper's code uses.

    python bench/group_selection.py [--classes 10 100] [--ipc 10] [--dims 4096] [--groups 1000] [--threads 1]

The baseline samples every class's candidates, mean + std * z, in chunks and scores each chunk directly, in float32,
as the reference does; both sides score the same draws z, and the chosen groups must be the same.
"""

import argparse
import os
import time
from functools import cache

parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
parser.add_argument("--classes", type=int, nargs="+", default=[10, 100])
parser.add_argument("--ipc", type=int, default=10)
parser.add_argument("--dims", type=int, default=4096)
parser.add_argument("--groups", type=int, default=1000)
parser.add_argument("--threads", type=int, default=1)
options = parser.parse_args()
os.environ.setdefault("OMP_NUM_THREADS", str(options.threads))
os.environ.setdefault("OPENBLAS_NUM_THREADS", str(options.threads))

import numpy as np

from retort.methods.groups import BLOCK, best_groups

SKEW_WEIGHT = 0.1


def draw(block: int) -> np.ndarray:
    return np.random.default_rng([7, block]).standard_normal((BLOCK, options.ipc, options.dims), dtype=np.float32)


def per_class_loop(mean: np.ndarray, std: np.ndarray, groups: int, drawn) -> np.ndarray:
    """The chosen group of each class: sample, score, keep the best, class by class."""
    chosen = []
    for centre, spread in zip(mean, std, strict=True):
        best, index = np.inf, -1
        for block in range(-(-groups // BLOCK)):
            candidates = centre + spread * drawn(block)[: groups - block * BLOCK]
            group_mean, group_std = candidates.mean(axis=1), candidates.std(axis=1, ddof=1)
            cubes = (((candidates - group_mean[:, None]) / group_std[:, None]) ** 3).sum(axis=2)
            d = candidates.shape[2]
            scores = (
                np.linalg.norm(group_mean - centre, axis=1)
                + np.linalg.norm(group_std - spread, axis=1)
                + SKEW_WEIGHT * np.linalg.norm(cubes * (d / ((d - 1) * (d - 2))), axis=1)
            )
            if scores.min() < best:
                best, index = scores.min(), block * BLOCK + int(scores.argmin())
        chosen.append(index)
    return np.array(chosen)


def timed(work):
    began = time.perf_counter()
    result = work()
    return result, time.perf_counter() - began


print(f"ipc {options.ipc}, D {options.dims}, {options.groups} groups, {options.threads} thread(s), numpy {np.__version__}")
print("| classes | draws (s) | all at once (s) | per-class loop (s) | ratio | same groups |")
print("|---|---|---|---|---|---|")
for classes in options.classes:
    rng = np.random.default_rng(classes)
    mean = rng.standard_normal((classes, options.dims)).astype(np.float32)
    std = rng.uniform(0.5, 1.5, (classes, options.dims)).astype(np.float32)
    cached = cache(draw)  # drawing is the same work for both, so it is timed apart
    blocks = range(-(-options.groups // BLOCK))
    _, drawing = timed(lambda: [cached(b) for b in blocks])
    ours, fast = timed(lambda: best_groups(cached, options.groups, std.astype(np.float64) ** 2, SKEW_WEIGHT))
    theirs, slow = timed(lambda: per_class_loop(mean, std, options.groups, cached))
    same = np.mean(ours.index == theirs)
    print(f"| {classes} | {drawing:.2f} | {fast:.2f} | {slow:.2f} | {slow / fast:.1f} | {same:.0%} |", flush=True)
