"""Group sampling (D3HR, section 3.3): of many random groups, keep the one whose statistics match the class best.

A group of IPC latents is mean + std * z with z standard normal. Its score for a class is
    |mean(g) - mean| + |std(g) - std| + w |skew(g)|
and, since mean(g) - mean = std * mean(z) and std(g) - std = std * (std(z) - 1) while skew does not depend on the
class, the scores of *all* classes come from two matrix products over the same draws z: no class is ever sampled.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

BLOCK = 64  # groups drawn from one seed: part of what a draw is, so never a matter of memory or speed


@dataclass(frozen=True)
class BestGroups:
    """The best group for each of K classes: its number and its score, (K,) each."""

    index: np.ndarray
    score: np.ndarray


def score_groups(z: np.ndarray, variance: np.ndarray, skew_weight: float) -> np.ndarray:
    """Scores (m, K), lower is better, of m groups of standard normal draws for K classes.

    z: (m, ipc, D) float; variance: (K, D) float. The standard deviation is unbiased over the group, and skew is
    D3HR's: per member, the sum over coordinates of the cubed standardised values, times D / ((D-1)(D-2)). With
    one member neither exists (the reference returns NaN and then fails): the mean term alone is the score.
    """
    _, ipc, dims = z.shape
    variance = variance.astype(np.float64, copy=False).T
    mean = z.mean(axis=1, dtype=np.float64)
    scores = np.sqrt(np.square(mean) @ variance)
    if ipc == 1:
        return scores
    z = z - mean[:, None]
    std = np.sqrt(np.einsum("mid,mid->md", z, z) / (ipc - 1))
    scores += np.sqrt(np.square(std - 1) @ variance)
    z /= std[:, None]
    cubes = np.einsum("mid,mid,mid->mi", z, z, z)  # numpy's z**3 takes longer than all the rest
    skew = np.linalg.norm(cubes, axis=1) * (dims / ((dims - 1) * (dims - 2)))
    return scores + skew_weight * skew[:, None]


def best_groups(
    draw: Callable[[int], np.ndarray], groups: int, variance: np.ndarray, skew_weight: float, progress=iter
) -> BestGroups:
    """The first group of lowest score among `groups`, for each class; one block is in memory at a time.

    draw(b) gives block b: groups b * BLOCK and on, (BLOCK, ipc, D). variance: (K, D). A group without a skew, because
    all its draws of a coordinate are equal, is passed over; where all are, the score stays infinite.
    """
    index = np.zeros(len(variance), dtype=np.int64)
    score = np.full(len(variance), np.inf)
    for block in progress(range(-(-groups // BLOCK))):
        first = block * BLOCK
        scores = score_groups(draw(block)[: groups - first], variance, skew_weight)
        scores[np.isnan(scores)] = np.inf
        nearest = scores.argmin(axis=0)
        found = scores[nearest, np.arange(len(variance))]
        better = found < score
        index[better], score[better] = nearest[better] + first, found[better]
    return BestGroups(index, score)


def matched_group(z: np.ndarray) -> np.ndarray:
    """One group (ipc, D) made from draws z (ipc, D) so that every class scores next to nothing with it; ours.

    Each coordinate is centred and scaled over the group, which zeroes the first two terms to rounding for any class.
    Flipping a coordinate's sign for the whole group keeps that, and the signs are chosen greedily, largest coordinates
    first, to all but cancel the sums behind the skew term. With one member the group is the class mean itself (z = 0).
    """
    if len(z) == 1:
        return np.zeros_like(z)
    z = z - z.mean(axis=0)
    z = z / z.std(axis=0, ddof=1)
    cubes = z**3
    order = np.argsort(-np.linalg.norm(cubes, axis=0), kind="stable")
    signs, total = np.ones(z.shape[1]), np.zeros(len(z))
    for coordinate in order:
        signs[coordinate] = -1.0 if total @ cubes[:, coordinate] > 0 else 1.0
        total += signs[coordinate] * cubes[:, coordinate]
    return z * signs
