"""k-means of a class's features, and the rows nearest to its centres."""

from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np

from retort.methods.rows import centred, check, squared_distances

ITERATIONS = 50  # of k-means


def kmeans_medoids(features: np.ndarray, count: int, seed: int) -> np.ndarray:
    """(count,) int64, distinct rows of features (n, D): the row nearest each k-means centroid, larger clusters first.

    A row already taken is passed over for the next nearest. Another count is another clustering: sets do not nest.
    Raises ValueError for features that are not finite or count > n.
    """
    check(features, count)
    rows = centred(features)
    centroids, labels = kmeans(rows, count, seed)
    by_size = np.argsort(-np.bincount(labels, minlength=count), kind="stable")
    chosen = np.empty(count, dtype=np.int64)
    for i, cluster in enumerate(by_size):
        distance = squared_distances(rows, centroids[cluster])
        distance[chosen[:i]] = np.inf
        chosen[i] = distance.argmin()
    return chosen


def kmeans(rows: np.ndarray, clusters: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Centroids (clusters, D) float64 and labels (n,) int64; n >= clusters. Clusters may be empty."""
    import faiss

    if clusters == 0:
        return np.empty((0, rows.shape[1])), np.empty(0, dtype=np.int64)
    with _one_thread(faiss):
        found = faiss.Kmeans(
            rows.shape[1],
            clusters,
            niter=ITERATIONS,
            seed=seed % 2**31,
            min_points_per_centroid=1,  # no warning about few points
            max_points_per_centroid=len(rows),  # no subsampling
        )
        points = np.ascontiguousarray(rows, dtype=np.float32)
        found.train(points)
        _, labels = found.index.search(points, 1)
    return found.centroids.astype(np.float64), labels[:, 0]


@contextmanager
def _one_thread(faiss) -> Iterator[None]:
    """faiss on one thread, so that its sums come in one order; OpenMP may be shared with others, so it is put back."""
    before = faiss.omp_get_max_threads()
    faiss.omp_set_num_threads(1)
    try:
        yield
    finally:
        faiss.omp_set_num_threads(before)
