"""Mean and variance of a stream, in float64, whatever the batches (Chan, Golub and LeVeque 1983)."""

import numpy as np


class RunningMoments:
    """Per-coordinate mean and unbiased variance of the items added so far; memory of three items."""

    def __init__(self, shape: tuple[int, ...]):
        self.count = 0
        self.mean = np.zeros(shape)
        self._squares = np.zeros(shape)

    def add(self, items: np.ndarray) -> None:
        """Add items of shape (N, *shape). Raises ValueError when any of them is NaN or infinite."""
        items = np.asarray(items, dtype=np.float64)
        if len(items) == 0:
            return
        if not np.isfinite(items).all():
            raise ValueError("values are not finite")
        count, mean = len(items), items.mean(axis=0)
        total, shift = self.count + count, mean - self.mean
        self._squares += ((items - mean) ** 2).sum(axis=0) + shift**2 * (self.count * count / total)
        self.mean += shift * (count / total)
        self.count = total

    @property
    def variance(self) -> np.ndarray:
        """Unbiased (n - 1). Raises ValueError for fewer than two items."""
        if self.count < 2:
            raise ValueError(f"a variance needs at least two items, found {self.count}")
        return self._squares / (self.count - 1)
