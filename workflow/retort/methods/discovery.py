"""Distribution discovery (CoDA): where the images of a class lie densely.

Features are standardised and embedded by UMAP. Clusters of the embedding are in `density`, completion to an exact
number of representatives in `completion`. There are far fewer images than features, so UMAP is given their exact
rotation to at most n - 1 principal coordinates: the same distances, and a neighbour search whose cost does not grow
with D.
"""

import warnings
from contextlib import contextmanager

import numpy as np
from threadpoolctl import threadpool_limits

SMALLEST_FOR_UMAP = 3  # its spectral start needs two points more than dimensions


@contextmanager
def one_quiet_thread():
    """One thread, so that no sum depends on the number of cores; and no warnings from the libraries called within.

    They warn of degenerate classes (few images, duplicates), which the callers here foresee.
    """
    with threadpool_limits(1), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def finite_matrix(values: np.ndarray, what: str) -> np.ndarray:
    """`values` as an array. Raises ValueError unless it is (n, D) with n, D >= 1 and every value is finite."""
    values = np.asarray(values)
    if values.ndim != 2 or 0 in values.shape:
        raise ValueError(f"{what} must have shape (n, D) with n and D of at least 1, found {values.shape}")
    bad = len(values) - int(np.isfinite(values).all(axis=1).sum())
    if bad:
        raise ValueError(f"{what} must be finite, found NaN or infinity in {bad} of {len(values)} rows")
    return values


def standardised(features: np.ndarray) -> np.ndarray:
    """Features (n, D) with mean 0 and variance 1 in each coordinate, float64, as StandardScaler has them.

    A coordinate that is constant up to rounding becomes 0. Raises ValueError for values that are not finite.
    """
    features = finite_matrix(features, "features")
    mean = features.mean(axis=0, dtype=np.float64)
    centred = features - mean
    std = np.sqrt(np.einsum("ij,ij->j", centred, centred) / len(centred))
    constant = std <= len(centred) * np.finfo(np.float64).eps * np.abs(mean)
    centred /= np.where(constant, 1.0, std)
    centred[:, constant] = 0.0
    return centred


def rotated(features: np.ndarray) -> np.ndarray:
    """Features (n, D) centred and rotated to their principal coordinates (n, min(n - 1, D)), float64, largest first.

    Nothing is cut off: n points span at most n - 1 dimensions, so all pairwise distances stay, to about 1e-7 of the
    largest (the square root of rounding, since the eigenvalues are those of squares). With D >= n the work is that
    of the n x n Gram matrix. In each coordinate the entry of largest magnitude is positive (the first of near ties).
    Raises ValueError for values that are not finite.
    """
    features = finite_matrix(features, "features")
    centred = features - features.mean(axis=0, dtype=np.float64)
    n, dims = centred.shape
    if dims < n:
        _, axes = np.linalg.eigh(centred.T @ centred)
        coordinates = centred @ axes[:, ::-1]
    else:
        squares, vectors = np.linalg.eigh(centred @ centred.T)
        # In rising order, and the first is the zero that centring leaves.
        coordinates = (vectors[:, 1:] * np.sqrt(np.maximum(squares[1:], 0.0)))[:, ::-1]
    magnitude = np.abs(coordinates)
    leading = (magnitude >= (1 - 1e-6) * magnitude.max(axis=0)).argmax(axis=0)
    return coordinates * np.where(coordinates[leading, np.arange(coordinates.shape[1])] < 0, -1.0, 1.0)


def embed(features: np.ndarray, *, neighbors: int, components: int, min_dist: float, seed: int) -> np.ndarray:
    """UMAP coordinates (n, components') float32 of features (n, D), standardised and rotated.

    CoDA: neighbors 15, components 50, min_dist 0, seed 42. Small classes get what they allow: neighbors are at most
    n - 1, components' at most n - 2; one or two points, too few for UMAP, keep their leading rotated coordinate.
    One thread and a seed: the same input gives the same output on any number of cores.

    Raises ValueError for values that are not finite and for fewer than two neighbors or one component.
    """
    if neighbors < 2 or components < 1:
        raise ValueError(f"UMAP needs neighbors >= 2 and components >= 1, found {neighbors} and {components}")
    with one_quiet_thread():
        points = rotated(standardised(features)).astype(np.float32)
        n = len(points)
        if n < SMALLEST_FOR_UMAP:
            line = np.zeros((n, 1), dtype=np.float32)
            line[:, : points.shape[1]] = points[:, :1]
            return line
        from umap import UMAP  # seconds to import

        return UMAP(
            n_neighbors=min(neighbors, n - 1),
            n_components=min(components, n - 2),
            min_dist=min_dist,
            random_state=seed,
            n_jobs=1,
        ).fit_transform(points)
