"""Choosing a few rows of a class's features that cover it: herding, k-means medoids, and a diverse ranking."""

from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np

from retort.methods.discovery import rotated

ITERATIONS = 50  # of k-means


def cover(coverage: str, features: np.ndarray, count: int, seed: int) -> np.ndarray:
    """`count` rows of features (n, D) by "herding" (which needs no seed) or "kmeans"; (count,) int64.

    Features of more numbers than rows are rotated to n - 1 first, which keeps every distance and costs less. Raises
    ValueError for another coverage.
    """
    if coverage not in ("herding", "kmeans"):
        raise ValueError(f"no coverage is called {coverage!r}; there are herding and kmeans")
    features = rotated(features) if features.shape[1] > len(features) else features
    return herding(features, count) if coverage == "herding" else kmeans_medoids(features, count, seed)


def herding(features: np.ndarray, count: int) -> np.ndarray:
    """(count,) int64, distinct rows of features (n, D), each the one that brings the chosen mean nearest the true one.

    Herding without replacement (Welling 2009, in the form of Rebuffi et al. 2017, algorithm 4, and of the dataset
    distillation papers), in float64; of equal rows the first. Fewer rows are the beginning of more. Raises ValueError
    for features that are not finite or count > n.
    """
    _check(features, count)
    rows = _centred(features)
    squares = np.einsum("nd,nd->n", rows, rows)
    chosen, total = np.empty(count, dtype=np.int64), np.zeros(rows.shape[1])
    for i in range(count):
        # |total + row|^2 without what all rows share; the einsum rounds equal rows equally, which a BLAS need not
        distance = squares + 2 * np.einsum("nd,d->n", rows, total)
        distance[chosen[:i]] = np.inf
        chosen[i] = distance.argmin()
        total += rows[chosen[i]]
    return chosen


def kmeans_medoids(features: np.ndarray, count: int, seed: int) -> np.ndarray:
    """(count,) int64, distinct rows of features (n, D): the row nearest each k-means centroid, larger clusters first.

    A row already taken is passed over for the next nearest. Another count is another clustering: sets do not nest.
    Raises ValueError for features that are not finite or count > n.
    """
    _check(features, count)
    rows = _centred(features)
    centroids, labels = _kmeans(rows, count, seed)
    by_size = np.argsort(-np.bincount(labels, minlength=count), kind="stable")
    chosen = np.empty(count, dtype=np.int64)
    for i, cluster in enumerate(by_size):
        distance = _squared_distances(rows, centroids[cluster])
        distance[chosen[:i]] = np.inf
        chosen[i] = distance.argmin()
    return chosen


def diverse_ranking(
    features: np.ndarray, scores: np.ndarray, clusters: int, seed: int
) -> tuple[np.ndarray, np.ndarray]:
    """All rows of features (n, D) in an order whose every beginning is diverse, (n,), and their clusters, (n,); int64.

    From 'Diffusion Models as Data Mining Tools' (ECCV 2024): k-means within the class, clusters ranked by the median
    of `scores` (n,), highest first, members by the distance to their centroid, nearest first. Ours: the ranking goes
    round the clusters, taking the first member of each, then the second of each, and so on; with one ranking for all
    numbers of images, a larger set contains the smaller ones. Cluster 0 is that of the highest median; of members at
    the same distance the higher score comes first. `clusters` beyond n, or beyond the number of different rows, gives
    fewer clusters. Raises ValueError for features or scores that are not finite, or clusters < 1.
    """
    _check(features, 0)
    scores = np.asarray(scores, dtype=np.float64)
    if scores.shape != (len(features),) or not np.isfinite(scores).all():
        raise ValueError(f"scores must be {len(features)} finite numbers, one for each row of features")
    if clusters < 1:
        raise ValueError(f"clusters must be at least 1, found {clusters}")
    if len(features) == 0:
        return np.empty(0, dtype=np.int64), np.empty(0, dtype=np.int64)
    rows = _centred(features)
    centroids, labels = _kmeans(rows, min(clusters, len(rows)), seed)
    distance = np.empty(len(rows))
    for cluster in np.unique(labels):
        members = labels == cluster
        distance[members] = _squared_distances(rows[members], centroids[cluster])
    cluster = _ranked_clusters(labels, scores)
    position = np.empty(len(rows), dtype=np.int64)
    for members in (np.flatnonzero(cluster == c) for c in range(cluster.max() + 1)):
        nearest = np.lexsort((-scores[members], distance[members]))
        position[members[nearest]] = np.arange(len(members))
    return np.lexsort((cluster, position)), cluster


def _ranked_clusters(labels: np.ndarray, scores: np.ndarray) -> np.ndarray:
    """Labels (n,) renamed 0, 1, ... in the order of their median scores, highest first; labels without rows vanish."""
    names, labels = np.unique(labels, return_inverse=True)
    medians = np.array([np.median(scores[labels == i]) for i in range(len(names))])
    rank = np.empty(len(names), dtype=np.int64)
    rank[np.argsort(-medians, kind="stable")] = np.arange(len(names))
    return rank[labels]


def _check(features: np.ndarray, count: int) -> None:
    if features.ndim != 2:
        raise ValueError(f"features must be (rows, dimensions), found {features.shape}")
    if not np.isfinite(features).all():
        wrong = np.flatnonzero(~np.isfinite(features).all(axis=1))
        raise ValueError(f"features of {len(wrong)} rows are not finite, the first of them row {wrong[0]}")
    if not 0 <= count <= len(features):
        raise ValueError(f"{count} rows cannot be chosen from {len(features)}")


def _centred(features: np.ndarray) -> np.ndarray:
    """Features shifted and scaled, all by the same, into [-2, 2] around their mean, float64.

    Neither choice nor clustering changes by that, and no finite input can overflow in float64 or in faiss's float32.
    """
    rows = np.asarray(features, dtype=np.float64)
    for _ in range(2):
        rows = rows / max(np.abs(rows).max(initial=0), np.finfo(np.float64).tiny)
        rows = rows - rows.mean(axis=0)
    return rows


def _squared_distances(rows: np.ndarray, point: np.ndarray) -> np.ndarray:
    return np.square(rows - point).sum(axis=1)


def _kmeans(rows: np.ndarray, clusters: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
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
