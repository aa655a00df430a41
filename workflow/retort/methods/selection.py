"""Picking real images."""

from collections.abc import Sequence

from retort.base.seeds import derive_seed


def random_order(image_ids: Sequence[str], seed: int, dataset: str) -> list[int]:
    """Positions of the images in a random order that depends on nothing but the images' own ids.

    The first n are the random baseline at n images per class, so a larger set contains the smaller ones.
    """
    return sorted(range(len(image_ids)), key=lambda i: derive_seed(seed, "random", dataset, image_ids[i]))
