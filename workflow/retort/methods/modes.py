"""Modes of a class: k-means centres of its latents, of all at once (MGD3, ICML 2025) or by chunks (D4M, CVPR 2024)."""

import numpy as np
from sklearn.cluster import KMeans, MiniBatchKMeans

from retort.methods.discovery import finite_matrix, one_quiet_thread


def kmeans_modes(rows: np.ndarray, count: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Centres (count, D) float32 and labels (n,) int64 of rows (n, D), n >= count, in the order of the algorithm.

    scikit-learn's KMeans as MGD3's code calls it: one k-means++ start and Lloyd's iterations, here on one thread, so
    that sums come in one order. Where fewer than `count` rows differ, centres repeat. Raises ValueError for values
    that are not finite.
    """
    rows = np.asarray(finite_matrix(rows, "latents"), dtype=np.float32)
    with one_quiet_thread():
        found = KMeans(count, random_state=seed, n_init=1).fit(rows)
    return found.cluster_centers_, found.labels_.astype(np.int64)


def minibatch_modes(
    rows: np.ndarray, count: int, chunk: int, seed: int, fit_rest: bool = True
) -> tuple[np.ndarray, np.ndarray]:
    """The same by mini-batches: consecutive chunks of rows (n, D), n >= count, are fitted one after another.

    What is left behind the last whole chunk is fitted as well (fit_rest), or not, as in D4M's code; fewer rows than a
    chunk are one. Labels are those of the centres at the end.
    """
    rows = np.asarray(finite_matrix(rows, "latents"), dtype=np.float32)
    stop = len(rows) if fit_rest or len(rows) < chunk else len(rows) // chunk * chunk
    with one_quiet_thread():
        found = MiniBatchKMeans(count, random_state=seed, batch_size=chunk, n_init="auto")
        for first in range(0, stop, chunk):
            found.partial_fit(rows[first : min(first + chunk, stop)])
        return found.cluster_centers_, found.predict(rows).astype(np.int64)


def nearest_rows(rows: np.ndarray, centres: np.ndarray, distinct: bool = False) -> np.ndarray:
    """(count,) int64: of rows (n, D) the one nearest to each of centres (count, D), the first of ties.

    Distances are summed in the rows' own precision, as in MGD3's code: the two members of a cluster lie equally far
    from its mean, so that rounding decides between them. distinct: a row that an earlier centre has taken is passed
    over for the next nearest; n >= count.
    """
    chosen = np.empty(len(centres), dtype=np.int64)
    for i, centre in enumerate(centres):
        distance = np.square(rows - centre).sum(axis=1)
        if distinct:
            distance[chosen[:i]] = np.inf
        chosen[i] = distance.argmin()
    return chosen


def pooled(latents: np.ndarray, side: int) -> np.ndarray:
    """Latents (n, C, H, W) averaged to (n, C, side, side), over equal blocks. Raises ValueError without them."""
    n, channels, height, width = latents.shape
    if height % side or width % side:
        raise ValueError(f"latents of {height} x {width} cells cannot be averaged to {side} x {side} (pooled)")
    blocks = latents.reshape(n, channels, side, height // side, side, width // side)
    return blocks.mean(axis=(3, 5), dtype=np.float64).astype(np.float32)


def means_of(latents: np.ndarray, labels: np.ndarray, rows: np.ndarray) -> np.ndarray:
    """(count, C, H, W) float32: the mean latent of each cluster, or that of its row where the cluster is empty."""
    found = [latents[labels == k] if (labels == k).any() else latents[row : row + 1] for k, row in enumerate(rows)]
    return np.stack([members.mean(axis=0, dtype=np.float64) for members in found]).astype(np.float32)
