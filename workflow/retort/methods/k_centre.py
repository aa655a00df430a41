"""Greedy k-centre (Gonzalez 1985): always the row that is farthest from all that are chosen."""

import numpy as np

from retort.methods.rows import squared_distances


def k_centre(rows: np.ndarray, first: int, count: int) -> np.ndarray:
    """(count,) int64, distinct rows of float64 rows (n, D), beginning with row `first`; of equal distances the first.

    1 <= count <= n. Fewer rows are the beginning of more.
    """
    chosen, to_nearest = np.empty(count, dtype=np.int64), np.full(len(rows), np.inf)
    for i in range(count):
        chosen[i] = to_nearest.argmax() if i else first
        to_nearest = np.minimum(to_nearest, squared_distances(rows, rows[chosen[i]]))
        to_nearest[chosen[i]] = -np.inf  # for good: a row that is chosen is never looked at again
    return chosen
