"""Statistics of inverted latents, one file a shard, with a row for each of its classes."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from retort.base.tensors import open_tensors, write_tensors
from retort.methods.spread import Spread

SPREADS = ("observed", "expected", "negentropy", "clean_negentropy")  # the fields of a Spread, float64


def write_statistics(path: str | Path, of_classes: Sequence[dict[str, np.ndarray]]) -> None:
    """mean and variance (K, C, H, W) float64, count (K,), and spread/<field of a Spread> (K,)."""
    write_tensors(path, {name: np.stack([found[name] for found in of_classes]) for name in of_classes[0]})


def spread_tensors(spread: Spread) -> dict[str, np.ndarray]:
    """A class's part of these."""
    return {f"spread/{field}": np.array(getattr(spread, field)) for field in SPREADS}


def spread_in(tensors: dict[str, np.ndarray]) -> Spread:
    """The other way round."""
    return Spread(**{field: float(tensors[f"spread/{field}"]) for field in SPREADS})


def read_spreads(paths: Sequence[str | Path]) -> list[Spread]:
    """Of the classes of these shards, in their order."""
    found = []
    for tensors in map(open_tensors, paths):
        columns = [tensors[f"spread/{field}"] for field in SPREADS]
        found += [Spread(*map(float, row)) for row in zip(*columns, strict=True)]
    return found
