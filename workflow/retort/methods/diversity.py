"""A ranking of a class's features whose every beginning is diverse."""

import numpy as np

from retort.methods.kmeans import kmeans
from retort.methods.rows import centred, check, squared_distances


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
    check(features, 0)
    scores = np.asarray(scores, dtype=np.float64)
    if scores.shape != (len(features),) or not np.isfinite(scores).all():
        raise ValueError(f"scores must be {len(features)} finite numbers, one for each row of features")
    if clusters < 1:
        raise ValueError(f"clusters must be at least 1, found {clusters}")
    if len(features) == 0:
        return np.empty(0, dtype=np.int64), np.empty(0, dtype=np.int64)
    rows = centred(features)
    centroids, labels = kmeans(rows, min(clusters, len(rows)), seed)
    distance = np.empty(len(rows))
    for cluster in np.unique(labels):
        members = labels == cluster
        distance[members] = squared_distances(rows[members], centroids[cluster])
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
