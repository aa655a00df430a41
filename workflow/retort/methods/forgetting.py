"""Forgetting events in a training (Toneva et al., ICLR 2019)."""

import numpy as np


def forgetting_events(right: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """How often each image was forgotten, (n,) int64, and whether it was ever learned, (n,) bool.

    right (E, n) bool: whether it was recognised after each epoch. An image is forgotten where it was recognised after
    one epoch and is not after the next.
    """
    return (right[:-1] & ~right[1:]).sum(axis=0), right.any(axis=0)
