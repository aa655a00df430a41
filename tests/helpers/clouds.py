"""Made-up points, for the tests of discoveries."""

import numpy as np


def normal(seed, *shape):
    return np.random.default_rng(seed).standard_normal(shape)


def blobs(seed, sizes, dims, apart=8.0):
    """Features (n, dims) around one random centre for each size, and the number of the centre of each row."""
    rng = np.random.default_rng(seed)
    truth = np.repeat(np.arange(len(sizes)), sizes)
    centres = rng.standard_normal((len(sizes), dims)) * apart
    return (centres[truth] + rng.standard_normal((len(truth), dims))).astype(np.float32), truth
