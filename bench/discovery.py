"""Distribution discovery with and without the rotation to at most n - 1 coordinates.

    python bench/discovery.py [--images 1300] [--dims 65536] [--seed 0]

One synthetic class: planted clusters in a few latent dimensions, a fifth of the images in none of them, carried to
all dimensions and buried in noise. Both sides standardise, embed by UMAP and cluster by HDBSCAN with CoDA's settings;
one rotates in between. Times are CPU seconds of this process on one thread, compiling and importing not counted. The
adjusted Rand index is that of the labels: between the two sides, and against what was planted.
"""

import argparse
import time

import numpy as np
from sklearn.metrics import adjusted_rand_score
from umap import UMAP

from retort.methods.discovery import Clusters, cluster, one_quiet_thread, rotated, standardised

CLUSTERS, LATENT_DIMS, OUTSIDE = 12, 10, 0.2
NEIGHBORS, COMPONENTS, SEED = 15, 50, 42
MIN_CLUSTER_SIZE, MIN_SAMPLES = 5, 3


def planted_class(images: int, dims: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Features (images, dims) float32 and the planted cluster of each image, -1 for none."""
    rng = np.random.default_rng(seed)
    truth = rng.integers(CLUSTERS, size=images)
    truth[rng.random(images) < OUTSIDE] = -1
    centres = 4 * rng.standard_normal((CLUSTERS, LATENT_DIMS))
    latent = centres[truth] + rng.standard_normal((images, LATENT_DIMS))
    latent[truth < 0] = 4 * rng.standard_normal(((truth < 0).sum(), LATENT_DIMS))
    directions = rng.standard_normal((LATENT_DIMS, dims), dtype=np.float32) / np.float32(LATENT_DIMS**0.5)
    features = latent.astype(np.float32) @ directions
    features += rng.standard_normal(features.shape, dtype=np.float32)
    return features, truth


def embedding_of(points: np.ndarray) -> np.ndarray:
    """UMAP with CoDA's settings, as `retort.methods.discovery.embed` calls it."""
    components = min(COMPONENTS, len(points) - 2)
    umap = UMAP(n_neighbors=NEIGHBORS, n_components=components, min_dist=0.0, random_state=SEED, n_jobs=1)
    return umap.fit_transform(points.astype(np.float32))


def discover(features: np.ndarray, rotate: bool) -> tuple[Clusters, np.ndarray]:
    """The clusters, and the seconds that standardising, rotating, embedding and clustering took."""
    clock = [time.process_time()]
    points = standardised(features)
    clock.append(time.process_time())
    if rotate:
        points = rotated(points)
    clock.append(time.process_time())
    embedding = embedding_of(points)
    clock.append(time.process_time())
    found = cluster(embedding, min_cluster_size=MIN_CLUSTER_SIZE, min_samples=MIN_SAMPLES)
    clock.append(time.process_time())
    return found, np.diff(clock)


def row(name: str, found: Clusters, seconds: np.ndarray, truth: np.ndarray) -> str:
    """One row of the table."""
    times = " | ".join(f"{value:.2f}" for value in [*seconds, seconds.sum()])
    agreement = adjusted_rand_score(truth, found.labels)
    return f"| {name} | {times} | {found.count} | {np.mean(found.labels < 0):.0%} | {agreement:.3f} |"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", type=int, default=1300)
    parser.add_argument("--dims", type=int, default=65536)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    print(f"{options.images} images, D {options.dims}, seed {options.seed}, one thread, numpy {np.__version__}\n")
    print("| rotation | standardise | rotate | UMAP | HDBSCAN | all | clusters | noise | Rand index, planted |")
    print("|---|---|---|---|---|---|---|---|---|")
    features, truth = planted_class(options.images, options.dims, options.seed)
    with one_quiet_thread():
        discover(features[:60, :10], rotate=True)  # compiles
        ours, ours_took = discover(features, rotate=True)
        print(row("yes", ours, ours_took, truth), flush=True)
        theirs, theirs_took = discover(features, rotate=False)
        print(row("no", theirs, theirs_took, truth))
    ratio = theirs_took.sum() / ours_took.sum()
    agreement = adjusted_rand_score(theirs.labels, ours.labels)
    print(f"\nWithout / with: {ratio:.1f} times the seconds; adjusted Rand index between the two {agreement:.3f}")


if __name__ == "__main__":
    main()
