"""From clusters to exactly `count` representatives (CoDA; the branches are those of its reference code).

Too many clusters: the largest. Too few: split the large ones; then k-means on the noise, where there is enough of
it; or else split what is left by force. CoDA fails where that runs out of clusters; here the rows farthest from
those already chosen fill the rest, so that any class of at least `count` images gets `count` distinct ones.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from itertools import combinations

import numpy as np
from sklearn.cluster import KMeans

from retort.methods.density import Clusters, cluster
from retort.methods.discovery import finite_matrix, one_quiet_thread

FOUND = "hdbscan_initial"
SPLIT = "hdbscan_kmeans_split"
NOISE = "kmeans_outliers"
FILLED = "farthest_point"

SHRINK = 0.75  # of the smallest cluster allowed, from one forced attempt to the next
SMALLEST = 2  # HDBSCAN's own limit, where the shrinking ends

ROUNDING = 4 * float(np.finfo(np.float32).eps)  # of k-means' centres, which differ by it from one CPU to another


@dataclass(frozen=True)
class Representatives:
    """`count` distinct rows that stand for a class.

    rows: (count,) int64. sizes: (count,) int64, the members of each one's cluster, itself among them. origins: how
    each cluster came about, FOUND, SPLIT, NOISE or FILLED. assignment: (n,) int64, the position in `rows` of the
    cluster that each row belongs to, or -1; a row that was FILLED has left its cluster and stands alone.
    """

    rows: np.ndarray
    sizes: np.ndarray
    origins: list[str]
    assignment: np.ndarray


@dataclass(frozen=True, eq=False)
class _Group:
    """Row numbers of the members, in rising order, and of the one that represents them."""

    members: np.ndarray
    row: int
    origin: str

    def __len__(self) -> int:
        return len(self.members)


_Split = Callable[[_Group, int], list[_Group]]


def representatives(
    embedding: np.ndarray,
    clusters: Clusters,
    count: int,
    *,
    min_cluster_size: int,
    min_samples: int,
    seed_candidates: int = 3,
    seed: int = 0,
) -> Representatives:
    """Exactly `count` rows of the embedding (n, d), one for each of `count` clusters, in the reference's order.

    A cluster that HDBSCAN found is represented by its member of highest probability, any other by the member nearest to
    its centre; among equals by the lowest row. `min_cluster_size` and `min_samples` are those of `clusters` and serve
    the splits as well. `seed_candidates`: how many of the largest sub-clusters give starting points for a split.
    `seed`: of k-means on noise, 0 in the reference; splits draw nothing.

    Raises ValueError for n < count, count < 1, seed_candidates < 2, clusters of another length than the embedding,
    and values that are not finite.
    """
    embedding = finite_matrix(embedding, "the embedding")
    _check(embedding, clusters, count, seed_candidates)
    split = partial(_split, embedding, min_samples=min_samples, seed_candidates=seed_candidates)
    with one_quiet_thread():
        groups = _found(clusters)
        if len(groups) > count:
            groups = sorted(groups, key=len, reverse=True)[:count]
        groups = _divided(groups, count, 2 * min_cluster_size, [min_cluster_size], split)
        missing = count - len(groups)
        noise = np.flatnonzero(clusters.labels < 0)
        if missing and len(noise) >= missing * _noise_per_centre(count):
            groups = groups + _from_noise(embedding, noise, missing, seed)
        elif missing:
            groups = _divided(groups, count, min_cluster_size, _shrinking(min_cluster_size), split)
        return _summary(embedding, groups, count)


def _check(embedding: np.ndarray, clusters: Clusters, count: int, seed_candidates: int) -> None:
    n = len(embedding)
    if count < 1:
        raise ValueError(f"the number of representatives must be at least 1, found {count}")
    if n < count:
        raise ValueError(f"{count} distinct representatives need as many images, and the class has {n}")
    if seed_candidates < 2:
        raise ValueError(f"a split needs at least 2 seed candidates, found {seed_candidates}")
    if clusters.labels.shape != (n,) or clusters.probabilities.shape != (n,):
        shapes = f"{clusters.labels.shape} and {clusters.probabilities.shape}"
        raise ValueError(f"labels and probabilities must have shape ({n},) like the embedding's rows, found {shapes}")
    if not np.isfinite(clusters.probabilities).all():
        raise ValueError("cluster probabilities must be finite")


def _found(clusters: Clusters) -> list[_Group]:
    groups = []
    for label in range(clusters.count):
        members = np.flatnonzero(clusters.labels == label)
        if len(members):
            groups.append(_Group(members, int(members[clusters.probabilities[members].argmax()]), FOUND))
    return groups


def _noise_per_centre(count: int) -> int:
    """How many noise points the reference asks for, for each centre that k-means is to find among them."""
    if count <= 10:
        return 5
    return 3 if count <= 50 else 1


def _shrinking(min_cluster_size: int) -> list[int]:
    """What min_cluster_size shrinks to, attempt by attempt; the last product may lie below what is then tried."""
    sizes, product = [], float(min_cluster_size)
    while product > SMALLEST:
        product *= SHRINK
        sizes.append(max(int(product), SMALLEST))
    return list(dict.fromkeys(sizes))


def _divided(groups: list[_Group], count: int, worth: int, sizes: list[int], split: _Split) -> list[_Group]:
    """Groups after splitting the largest in two, again and again, until there are `count` or none is left to try.

    Tried are groups of at least `worth` members, with one size of `sizes` after the other until one splits them;
    children take their parent's place at the end, and are tried in turn if twice that size fits in. What no size
    splits stays whole.
    """
    groups = list(groups)
    untried = [group for group in groups if len(group) >= worth]
    while len(groups) < count and untried:
        largest = max(untried, key=len)
        untried.remove(largest)
        for size in sizes:
            children = split(largest, size)
            if children:
                groups.remove(largest)
                groups += children
                untried += [child for child in children if len(child) >= 2 * size]
                break
    return groups


def _split(
    embedding: np.ndarray, group: _Group, min_cluster_size: int, *, min_samples: int, seed_candidates: int
) -> list[_Group]:
    """The group in two, or nothing where HDBSCAN sees fewer than two sub-clusters in it.

    The likeliest points of the largest sub-clusters, two at a time, start a 2-means over all members; the start that
    ends with the least inertia wins, the first of those that are equal but for the rounding of sums.
    """
    points = embedding[group.members]
    inner = _found(cluster(points, min_cluster_size=min_cluster_size, min_samples=min_samples))
    if len(inner) < 2:
        return []
    seeds = [sub.row for sub in sorted(inner, key=len, reverse=True)[:seed_candidates]]
    fits = [KMeans(2, init=points[list(pair)], n_init=1, random_state=0).fit(points) for pair in combinations(seeds, 2)]
    inertia = np.array([fit.inertia_ for fit in fits], dtype=np.float64)
    best = fits[_first_least(inertia, np.sqrt(len(points)) * ROUNDING * inertia.min())]
    children = _around_centres(points, group.members, best, SPLIT)
    return children if len(children) == 2 else []


def _from_noise(embedding: np.ndarray, noise: np.ndarray, wanted: int, seed: int) -> list[_Group]:
    points = embedding[noise]
    return _around_centres(points, noise, KMeans(wanted, n_init="auto", random_state=seed).fit(points), NOISE)


def _around_centres(points: np.ndarray, rows: np.ndarray, fit: KMeans, origin: str) -> list[_Group]:
    """The clusters of k-means over points, whose row numbers are `rows`; fewer than asked for where points coincide.

    Each is represented by the member nearest to its centre, of members equally near but for rounding by the lowest row:
    of two alone, the first.
    """
    groups = []
    for label, centre in enumerate(fit.cluster_centers_):
        own = np.flatnonzero(fit.labels_ == label)
        if len(own):
            nearest = _first_least(np.linalg.norm(points[own] - centre, axis=1), ROUNDING * np.linalg.norm(centre))
            groups.append(_Group(rows[own], int(rows[own[nearest]]), origin))
    return groups


def _first_least(values: np.ndarray, slack: float) -> int:
    """The first of those values that exceed the least by no more than `slack`."""
    return int((values <= values.min() + slack).argmax())


def _summary(embedding: np.ndarray, groups: list[_Group], count: int) -> Representatives:
    chosen = [group.row for group in groups]
    filled = _farthest(embedding, chosen, count - len(groups))
    assignment = np.full(len(embedding), -1, dtype=np.int64)
    for position, group in enumerate(groups):
        assignment[group.members] = position
    assignment[filled] = np.arange(len(groups), count)
    sizes = np.bincount(assignment[assignment >= 0], minlength=count)
    origins = [group.origin for group in groups] + [FILLED] * len(filled)
    return Representatives(np.array(chosen + filled, dtype=np.int64), sizes, origins, assignment)


def _farthest(embedding: np.ndarray, chosen: list[int], wanted: int) -> list[int]:
    """`wanted` more rows, each the farthest from all chosen before it; the first of all is the nearest to the mean.

    Of rows equally far, the lowest; copies of a chosen row come last.
    """
    if not wanted:
        return []
    points = embedding.astype(np.float64)
    from_mean = np.linalg.norm(points - points.mean(axis=0), axis=1)
    nearest = np.full(len(points), np.inf)
    for row in chosen:
        nearest = np.minimum(nearest, np.linalg.norm(points - points[row], axis=1))
    filled: list[int] = []
    while len(filled) < wanted:
        taken = chosen + filled
        nearest[taken] = -1.0
        row = int(nearest.argmax()) if taken else int(from_mean.argmin())
        filled.append(row)
        nearest = np.minimum(nearest, np.linalg.norm(points - points[row], axis=1))
    return filled
