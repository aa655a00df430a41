"""Centroids of the groups of generated images of each class, and of its real images."""

from collections.abc import Sequence

import numpy as np

from retort.base.tensors import open_tensors, write_tensors


def write_centroids(path: str, labels: Sequence[int], candidates: np.ndarray, real: np.ndarray) -> None:
    """class_index (C,) int64, candidates (C, G, D) and real (C, D) float64 unit vectors of some classes."""
    write_tensors(path, {"class_index": np.array(labels, dtype=np.int64), "candidates": candidates, "real": real})


def read_centroids(paths: Sequence[str]) -> tuple[np.ndarray, np.ndarray]:
    """(C, G, D) and (C, D) float64 of all classes, in label order, from files of some classes each."""
    files = [open_tensors(path) for path in paths]
    labels = np.concatenate([file["class_index"] for file in files])
    return tuple(np.concatenate([file[name] for file in files])[np.argsort(labels)] for name in ("candidates", "real"))
