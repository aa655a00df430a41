"""Clusters of one class where its points lie densely: HDBSCAN, with one answer on every machine.

Many edges of its spanning tree are equally long, because a distance of mutual reachability is often the core distance
of one point. The package sorts them with numpy's quicksort, whose order among equals changes with numpy's version and
the CPU's instructions, and with it the numbers of the clusters and the cluster of a point or two. Here the two rows
that an edge joins decide.
"""

from dataclasses import dataclass

import numpy as np
from hdbscan import HDBSCAN
from hdbscan._hdbscan_linkage import label
from hdbscan._hdbscan_tree import compute_stability, condense_tree, get_clusters

from retort.methods.discovery import finite_matrix, one_quiet_thread


@dataclass(frozen=True)
class Clusters:
    """Cluster of each of n points, numbered from 0, -1 for noise: labels (n,) int64.

    probabilities (n,) float64 in [0, 1]: strength of membership, 0 for noise. Many members of a cluster have 1.0.
    """

    labels: np.ndarray
    probabilities: np.ndarray

    @property
    def count(self) -> int:
        """The number of clusters, noise not among them."""
        return int(self.labels.max(initial=-1)) + 1


def cluster(embedding: np.ndarray, *, min_cluster_size: int, min_samples: int) -> Clusters:
    """Clusters of points (n, d) by HDBSCAN, Euclidean; CoDA: min_samples 3, min_cluster_size 5.

    `min_samples` does not count the point itself (scikit-learn's does) and is lowered to n - 1 when there are fewer
    points. All is noise when n < 2 * min_cluster_size, because HDBSCAN never calls the whole set one cluster. The
    spanning tree is the package's, as in the reference: up to 60 coordinates an approximate one. Equal edges are
    merged in the order of `in_order`, where the reference leaves it to numpy's sort.

    Raises ValueError for values that are not finite, min_cluster_size < 2 or min_samples < 1.
    """
    if min_cluster_size < 2 or min_samples < 1:
        found = f"{min_cluster_size} and {min_samples}"
        raise ValueError(f"HDBSCAN needs min_cluster_size >= 2 and min_samples >= 1, found {found}")
    embedding = finite_matrix(embedding, "the embedding")
    n = len(embedding)
    if n < 2 * min_cluster_size:
        return Clusters(np.full(n, -1, dtype=np.int64), np.zeros(n))
    with one_quiet_thread():
        return clusters_of_tree(spanning_tree(embedding, min_samples), int(min_cluster_size))


def spanning_tree(embedding: np.ndarray, min_samples: int) -> np.ndarray:
    """Edges (n - 1, 3) of the package's spanning tree of points (n, d): two rows, and their mutual reachability."""
    found = HDBSCAN(min_samples=int(min_samples), gen_min_span_tree=True, core_dist_n_jobs=1).fit(embedding)
    return found.minimum_spanning_tree_.to_numpy()


def in_order(edges: np.ndarray) -> np.ndarray:
    """Edges (m, 3) from the shortest to the longest; of equals the one with the lowest row first, then by the other."""
    lower, higher = edges[:, :2].min(axis=1), edges[:, :2].max(axis=1)
    return edges[np.lexsort((higher, lower, edges[:, 2]))]


def clusters_of_tree(edges: np.ndarray, min_cluster_size: int) -> Clusters:
    """The clusters of greatest excess of mass that a spanning tree (n - 1, 3) holds, its edges in any order."""
    condensed = condense_tree(label(in_order(edges)), min_cluster_size)
    labels, probabilities, _ = get_clusters(condensed, compute_stability(condensed))
    return Clusters(labels.astype(np.int64), probabilities.astype(np.float64))
