"""Distribution discovery (CoDA): the rotation to at most n - 1 coordinates, and one embedding for every set size.

A synthetic class: planted clusters in a few latent dimensions, a fifth of the images in none of them, carried to all
dimensions and buried in noise. Standardised, embedded by UMAP and clustered by HDBSCAN with CoDA's settings, on one
thread; compiling and importing are not counted.

The rotation is equal where it keeps the distances between some of the points. The labels' adjusted Rand index is said
beside it and decides nothing: at full size UMAP falls into other embeddings after changes of the last bits.
"""

import numpy as np
from scipy.spatial.distance import pdist
from sklearn.metrics import adjusted_rand_score
from torch import device, float64
from umap import UMAP

from bench.limits import matmul_peak
from bench.rows import Row, in_turn, timed
from retort.methods.completion import representatives
from retort.methods.density import cluster
from retort.methods.discovery import embed, one_quiet_thread, rotated, standardised

CLUSTERS, LATENT_DIMS, OUTSIDE = 12, 10, 0.2
UMAP_SETTINGS = {"neighbors": 15, "components": 50, "min_dist": 0.0, "seed": 42}
HDBSCAN_SETTINGS = {"min_cluster_size": 5, "min_samples": 3}
SET_SIZES = (10, 20, 50)


def measure(full: bool) -> list[Row]:
    images, dims, repeats = (1300, 65536, 1) if full else (600, 32768, 2)
    features = planted_class(images, dims, seed=0)
    discover(features[:60, :10])  # compiles
    return [rotation(features, repeats), sharing(features)]


def rotation(features: np.ndarray, repeats: int) -> Row:
    seconds, labels = in_turn(lambda: discover(features), lambda: discover_unrotated(features), repeats=repeats)
    rand = adjusted_rand_score(labels[1], labels[0])
    with one_quiet_thread():
        points = standardised(features)
        alone, turned = timed(lambda: rotated(points))
        some = slice(None, None, -(-len(points) // 200))
        before = pdist(points[some])
    gap = np.abs(pdist(turned[some]) - before).max() / before.max()
    # The product of a matrix with its own transpose takes half the operations.
    limit = len(points) ** 2 * points.shape[1] / matmul_peak(device("cpu"), float64)
    work = f"discovery rotated, {features.shape[0]} x {features.shape[1]}"
    equality = f"distances to {gap:.0e}; labels' Rand index {rand:.2f}"
    return Row(work, *seconds, equality, gap < 1e-6, limit / alone, "matmul (the rotation alone)")


def sharing(features: np.ndarray) -> Row:
    """The representatives of three set sizes from one embedding, as stages share it, or from one for each.

    Seconds of one embedding scatter more than sharing could hide, so ours is the mean of the baseline's three and what
    follows.
    """
    embedding, choosing, same, first = [], [], True, None
    for count in SET_SIZES:
        seconds, found = timed(lambda: embedded(features))
        embedding.append(seconds)
        first = first or found
        seconds, rows = timed(lambda given=found, count=count: chosen(*given, count))
        choosing.append(seconds)
        same = same and np.array_equal(rows, chosen(*first, count))
    ours, baseline = np.mean(embedding) + sum(choosing), sum(embedding) + sum(choosing)
    work = f"one embedding for IPC {', '.join(map(str, SET_SIZES))}"
    return Row(work, ours, baseline, f"{'same' if same else 'other'} representatives", same)


def planted_class(images: int, dims: int, seed: int) -> np.ndarray:
    """Features (images, dims) float32."""
    rng = np.random.default_rng(seed)
    truth = rng.integers(CLUSTERS, size=images)
    outside = rng.random(images) < OUTSIDE
    centres = 4 * rng.standard_normal((CLUSTERS, LATENT_DIMS))
    latent = centres[truth] + rng.standard_normal((images, LATENT_DIMS))
    latent[outside] = 4 * rng.standard_normal((outside.sum(), LATENT_DIMS))
    directions = rng.standard_normal((LATENT_DIMS, dims), dtype=np.float32) / np.float32(LATENT_DIMS**0.5)
    features = latent.astype(np.float32) @ directions
    features += rng.standard_normal(features.shape, dtype=np.float32)
    return features


def embedded(features: np.ndarray):
    embedding = embed(features, **UMAP_SETTINGS)
    return embedding, cluster(embedding, **HDBSCAN_SETTINGS)


def discover(features: np.ndarray) -> np.ndarray:
    """Labels (n,)."""
    return embedded(features)[1].labels


def discover_unrotated(features: np.ndarray) -> np.ndarray:
    """Labels (n,) as `embed` and `cluster` find them, without the rotation."""
    with one_quiet_thread():
        points = standardised(features).astype(np.float32)
        components = min(UMAP_SETTINGS["components"], len(points) - 2)
        umap = UMAP(
            n_neighbors=UMAP_SETTINGS["neighbors"],
            n_components=components,
            min_dist=UMAP_SETTINGS["min_dist"],
            random_state=UMAP_SETTINGS["seed"],
            n_jobs=1,
        )
        return cluster(umap.fit_transform(points), **HDBSCAN_SETTINGS).labels


def chosen(embedding: np.ndarray, clusters, count: int) -> np.ndarray:
    """Rows (count,) of the representatives."""
    return representatives(embedding, clusters, count, **HDBSCAN_SETTINGS).rows
