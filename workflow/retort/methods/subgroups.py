"""Choosing one of several groups of images for every class, with all classes in view (S3 of IMS3, CVPR 2026)."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import numpy as np

SAME = 1e-12  # centroids nearer than this are one but for rounding: their distance has no logarithm


def centroid(features: np.ndarray) -> np.ndarray:
    """(..., D) float64 unit vectors: the direction of the mean of the directions of features (..., K, D)."""
    return _directions(_directions(np.asarray(features, dtype=np.float64)).mean(axis=-2))


def _directions(rows: np.ndarray) -> np.ndarray:
    return rows / np.maximum(np.linalg.norm(rows, axis=-1, keepdims=True), np.finfo(np.float64).tiny)


@dataclass(frozen=True)
class Objective:
    """What is maximised: near * sum_i -ln(d(c_i, r_i) + epsilon) + apart * sum_{i<j} ln(d(c_i, c_j) + epsilon).

    c_i is the centroid of the group that is chosen for class i, of candidates (C, G, D); r_i that of its real images,
    real (C, D); d = 1 - cosine. average: both sums are divided by their numbers of terms, C and C (C - 1) / 2, without
    which the second weighs more and more with more classes. Raises ValueError where epsilon is 0 and two centroids
    coincide.
    """

    candidates: np.ndarray
    real: np.ndarray
    near: float
    apart: float
    epsilon: float
    average: bool = False

    def of(self, chosen: np.ndarray) -> float:
        """The objective of a choice of one group for each class (C,)."""
        return self.of_nearness(chosen) + sum(
            self.of_distances(label, chosen, range(label))[chosen[label]] for label in range(len(chosen))
        )

    def of_nearness(self, chosen: np.ndarray) -> float:
        """The first sum."""
        return float(sum(self.of_class(label)[group] for label, group in enumerate(chosen)))

    def to_real(self, label: int) -> np.ndarray:
        """(G,) the distance of each group of a class to the class's real centroid."""
        return _distances(self.candidates[label], self.real[label])

    def of_class(self, label: int) -> np.ndarray:
        """(G,) what each group of a class adds to the first sum."""
        share = len(self.real) if self.average else 1
        return -self.near / share * self._logarithm(self.to_real(label))

    def of_distances(self, label: int, chosen: np.ndarray, others) -> np.ndarray:
        """(G,) what each group of a class adds to the second sum, by what is chosen for `others`."""
        others = [other for other in others if other != label]
        if not others or not self.apart:
            return np.zeros(self.candidates.shape[1])
        share = len(self.real) * (len(self.real) - 1) / 2 if self.average else 1
        centroids = self.candidates[others, np.asarray(chosen)[others]]
        return self.apart / share * self._logarithm(_distances(self.candidates[label], centroids.T)).sum(axis=1)

    def _logarithm(self, distances: np.ndarray) -> np.ndarray:
        if not self.epsilon and distances.min() < SAME:
            raise ValueError("two centroids coincide, so their distance has no logarithm; let epsilon be above 0")
        return np.log(distances + self.epsilon)


def _distances(rows: np.ndarray, others: np.ndarray) -> np.ndarray:
    return 1 - np.clip(rows @ others, -1, 1)


@dataclass(frozen=True)
class Choice:
    """The group of each class (C,) int64, and the objective at the start and after each pass."""

    chosen: np.ndarray
    values: list[float]


def coordinate_ascent(
    objective: Objective, passes: int, progress: Callable[[Sequence[int]], Iterable[int]] = iter
) -> Choice:
    """Begin with the group of each class that is nearest to its real centroid; then each class in turn takes its best.

    A class takes another group at once if that raises the objective, by what is chosen for the others then; a pass goes
    over all classes in their order, and one that changes nothing is the last. No pass lowers the objective. In memory
    are the centroids and the distances of one class's groups to those that are chosen.

    progress shows how classes go by.
    """
    classes = range(len(objective.real))
    chosen = np.array([objective.to_real(label).argmin() for label in classes])
    values = [objective.of(chosen)]
    for _ in range(passes):
        before = chosen.copy()
        for label in progress(classes):
            gains = objective.of_class(label) + objective.of_distances(label, chosen, classes)
            if gains.max() > gains[chosen[label]]:
                chosen[label] = gains.argmax()
        values.append(objective.of(chosen))
        if (chosen == before).all():
            break
    return Choice(chosen, values)
