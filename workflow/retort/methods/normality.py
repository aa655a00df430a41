"""How far a stream of items is from normal, by its third and fourth moments, in float64, whatever the batches."""

import numpy as np

from retort.methods.moments import RunningMoments


class RunningNormality(RunningMoments):
    """Moments up to the fourth of the items added so far, per coordinate (Pébay 2008, equations 2.1 to 2.4)."""

    def __init__(self, shape: tuple[int, ...]):
        super().__init__(shape)
        self._cubes, self._fourths = np.zeros(shape), np.zeros(shape)

    def add(self, items: np.ndarray) -> None:
        """Add items of shape (N, *shape). Raises ValueError when any of them is NaN or infinite."""
        items = np.asarray(items, dtype=np.float64)
        if len(items) == 0:
            return
        old, new, mean = self.count, len(items), items.mean(axis=0)
        squares, both, shift = self._squares.copy(), old + new, mean - self.mean
        super().add(items)
        centred = items - mean
        powers = centred**2
        added = powers.sum(axis=0)
        powers *= centred
        cubes = powers.sum(axis=0)
        powers *= centred
        fourths = powers.sum(axis=0)
        self._fourths += (
            fourths
            + shift**4 * (old * new * (old**2 - old * new + new**2) / both**3)
            + 6 * shift**2 * (old**2 * added + new**2 * squares) / both**2
            + 4 * shift * (old * cubes - new * self._cubes) / both
        )
        self._cubes += (
            cubes + shift**3 * (old * new * (old - new) / both**2) + 3 * shift * (old * added - new * squares) / both
        )

    @property
    def negentropy(self) -> float:
        """Nats per coordinate by which the items are further from order than normal ones: 0 where they are normal.

        It is the mean over coordinates of skewness^2 / 12 + kurtosis^2 / 48 (Jones and Sibson 1987), less what normal
        items of this number show by chance, which makes it independent of the number, and slightly negative at times.
        Coordinates that do not vary count nothing; infinite where none does. Raises ValueError for fewer than two.
        """
        n, varied = self.count, self.variance > 0
        if not varied.any():
            return np.inf
        squares = self._squares[varied]
        skewness = np.sqrt(n) * self._cubes[varied] / squares**1.5
        kurtosis = n * self._fourths[varied] / squares**2 - 3
        return float(np.mean(skewness**2 / 12 + kurtosis**2 / 48)) - _by_chance(n)


def _by_chance(n: int) -> float:
    """What is expected of n normal items: exact second moments of skewness and kurtosis (Fisher 1930)."""
    skewness = 6 * (n - 2) / ((n + 1) * (n + 3))
    kurtosis = 24 * n * (n - 2) * (n - 3) / ((n + 1) ** 2 * (n + 3) * (n + 5)) + (6 / (n + 1)) ** 2
    return skewness / 12 + kurtosis / 48
