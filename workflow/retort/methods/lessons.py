"""What a network says of images, from its logits (n, K) in any precision: probabilities, errors, margins; float64."""

import numpy as np


def chances(logits: np.ndarray) -> np.ndarray:
    """(n, K) probabilities."""
    shifted = np.asarray(logits, dtype=np.float64)
    exponentials = np.exp(shifted - shifted.max(axis=1, keepdims=True))
    return exponentials / exponentials.sum(axis=1, keepdims=True)


def chance_of(logits: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """(n,) the probability of the label (n,) of each image."""
    return chances(logits)[np.arange(len(labels)), labels]


def error_length(logits: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """(n,) |p - y|, the 2-norm of the probabilities less the one-hot label, in [0, sqrt 2].

    It is the norm of the gradient of the cross-entropy with respect to the logits (Paul et al. 2021, EL2N).
    """
    errors = chances(logits)
    errors[np.arange(len(labels)), labels] -= 1
    return np.linalg.norm(errors, axis=1)


def last_layer_gradient(logits: np.ndarray, labels: np.ndarray, norms: np.ndarray) -> np.ndarray:
    """(n,) the norm of the gradient of each image's cross-entropy with respect to the last layer's weights and biases.

    For features f of length norms (n,) it is |p - y| sqrt(1 + |f|^2).
    """
    return error_length(logits, labels) * np.sqrt(1 + np.square(np.asarray(norms, dtype=np.float64)))


def margin_of(logits: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """(n,) the label's probability less the largest of another class, in [-1, 1]."""
    found = chances(logits)
    rows = np.arange(len(labels))
    own = found[rows, labels].copy()
    found[rows, labels] = -np.inf
    return own - found.max(axis=1)


def recognised(logits: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """(n,) bool: whether the largest logit, the first of equal ones, is the label's."""
    return np.asarray(logits).argmax(axis=1) == labels
