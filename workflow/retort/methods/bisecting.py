"""Bisecting k-means: the leaves of a tree that grows by halving its widest leaf (ManifoldGD, CVPR 2026)."""

from typing import Literal

import numpy as np
from sklearn.cluster import KMeans

from retort.methods.discovery import finite_matrix, one_quiet_thread

STARTS = 10  # of each halving, of which the best is taken


def bisecting_modes(
    rows: np.ndarray, count: int, seed: int, widest: Literal["sum", "variance"] = "sum"
) -> tuple[np.ndarray, np.ndarray]:
    """Means (count, D) float32 of the leaves and labels (n,) int64 of rows (n, D), n >= count, in order of growth.

    Until there are as many leaves as are wanted, the widest is halved by 2-means, and its halves go to the end of the
    list. widest: by the sum of squared distances to its mean, or by the variance of its numbers. A leaf of rows
    that are all alike is halved by their number. Raises ValueError for values that are not finite.
    """
    rows = np.asarray(finite_matrix(rows, "latents"), dtype=np.float32)
    rng, leaves = np.random.RandomState(seed), [np.arange(len(rows))]
    with one_quiet_thread():
        while len(leaves) < count:
            widths = [_width(rows[leaf], widest) if len(leaf) > 1 else -1.0 for leaf in leaves]
            leaf = leaves.pop(int(np.argmax(widths)))
            halves = KMeans(2, n_init=STARTS, random_state=rng.randint(2**31)).fit_predict(rows[leaf])
            if len(set(halves)) == 1:
                halves = np.arange(len(leaf)) % 2
            leaves += [leaf[halves == half] for half in (0, 1)]
    labels = np.empty(len(rows), dtype=np.int64)
    for number, leaf in enumerate(leaves):
        labels[leaf] = number
    return np.stack([rows[leaf].mean(axis=0) for leaf in leaves]), labels


def _width(members: np.ndarray, by: str) -> float:
    return float(np.var(members) if by == "variance" else np.square(members - members.mean(axis=0)).sum())
