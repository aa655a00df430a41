"""Made-up points, for the tests of discoveries."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from tests.helpers.tiny_models import Pictures, write_latents


def normal(seed, *shape):
    return np.random.default_rng(seed).standard_normal(shape)


def blobs(seed, sizes, dims, apart=8.0):
    """Features (n, dims) around one random centre for each size, and the number of the centre of each row."""
    rng = np.random.default_rng(seed)
    truth = np.repeat(np.arange(len(sizes)), sizes)
    centres = rng.standard_normal((len(sizes), dims)) * apart
    return (centres[truth] + rng.standard_normal((len(truth), dims))).astype(np.float32), truth


def pets_in_clouds(
    folder: Path, counts: Mapping[str, int], shape: tuple[int, int, int], shards: Mapping[str, Sequence[str]]
) -> Pictures:
    """Pictures of some classes, and NAME.safetensors with their latents, in three clear clouds a class, by shards."""
    pictures = Pictures(folder / "images", {c: {f"{i:02d}": (4, 4) for i in range(n)} for c, n in counts.items()})
    rng = np.random.default_rng(0)
    latents = {
        c: 8 * rng.standard_normal((3, *shape))[np.arange(n) % 3] + 0.5 * rng.standard_normal((n, *shape))
        for c, n in counts.items()
    }
    for name, classes in shards.items():
        rows = {c: pictures.rows_of(c)[::-1] for c in classes}  # not in the manifest's order
        write_latents(folder / f"{name}.safetensors", {c: latents[c] for c in classes}, rows)
    return pictures
