"""Herding: rows of features whose mean follows that of all rows."""

import numpy as np

from retort.methods.rows import centred, check


def herding(features: np.ndarray, count: int) -> np.ndarray:
    """(count,) int64, distinct rows of features (n, D), each the one that brings the chosen mean nearest the true one.

    Herding without replacement (Welling 2009, in the form of Rebuffi et al. 2017, algorithm 4, and of the dataset
    distillation papers), in float64; of equal rows the first. Fewer rows are the beginning of more. Raises ValueError
    for features that are not finite or count > n.
    """
    check(features, count)
    rows = centred(features)
    squares = np.einsum("nd,nd->n", rows, rows)
    chosen, total = np.empty(count, dtype=np.int64), np.zeros(rows.shape[1])
    for i in range(count):
        # |total + row|^2 without what all rows share; the einsum rounds equal rows equally, which a BLAS need not
        distance = squares + 2 * np.einsum("nd,d->n", rows, total)
        distance[chosen[:i]] = np.inf
        chosen[i] = distance.argmin()
        total += rows[chosen[i]]
    return chosen
