"""Rows of features of a class, as what chooses among them takes them."""

import numpy as np

from retort.methods.discovery import rotated


def prepared(features: np.ndarray, count: int) -> np.ndarray:
    """Features (n, D), or, where these are more numbers than rows, the rows rotated to n - 1 numbers.

    That keeps every distance and costs less. Raises ValueError for features that are not finite or count > n.
    """
    check(features, count)
    return rotated(features) if features.shape[1] > len(features) else features


def check(features: np.ndarray, count: int) -> None:
    if features.ndim != 2:
        raise ValueError(f"features must be (rows, dimensions), found {features.shape}")
    if not np.isfinite(features).all():
        wrong = np.flatnonzero(~np.isfinite(features).all(axis=1))
        raise ValueError(f"features of {len(wrong)} rows are not finite, the first of them row {wrong[0]}")
    if not 0 <= count <= len(features):
        raise ValueError(f"{count} rows cannot be chosen from {len(features)}")


def centred(features: np.ndarray) -> np.ndarray:
    """Features shifted and scaled, all by the same, into [-2, 2] around their mean, float64.

    Neither choice nor clustering changes by that, and no finite input can overflow in float64 or in faiss's float32.
    """
    rows = np.asarray(features, dtype=np.float64)
    for _ in range(2):
        rows = rows / max(np.abs(rows).max(initial=0), np.finfo(np.float64).tiny)
        rows = rows - rows.mean(axis=0)
    return rows


def squared_distances(rows: np.ndarray, point: np.ndarray) -> np.ndarray:
    return np.square(rows - point).sum(axis=1)
