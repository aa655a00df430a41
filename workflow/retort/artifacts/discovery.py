"""Embeddings of the training images of each class, and the clusters found in them, class by class in one file."""

import numpy as np

from retort.models.health import REBUILD, check_finite


def class_embedding(tensors: dict[str, np.ndarray], class_id: str, path: str) -> np.ndarray:
    """(n, d) of a class. Raises RetortError where it is not finite, as it was when it was written."""
    points = np.asarray(tensors[f"embedding/{class_id}"])
    check_finite(points, f"class {class_id}", f"the embedding in {path} is", REBUILD)
    return points
