"""Cutting work into batches so that what an item computes does not depend on its company."""

from collections.abc import Iterable, Iterator
from itertools import islice

import torch
from torch import Tensor


def in_batches(items: Iterable, size: int) -> Iterator[list]:
    """Consecutive lists of `size` items, the last one shorter."""
    items = iter(items)
    while batch := list(islice(items, size)):
        yield batch


def repeated_to(items: Tensor, size: int) -> Tensor:
    """The items (N, ...), N > 0, and their last one again until there are `size` (at least): a shape that is known."""
    return torch.cat([items, items[-1:].expand(size - len(items), *items.shape[1:])]) if len(items) < size else items


def on_grid(first: int, count: int, size: int) -> Iterator[list[int]]:
    """Batches of exactly `size` places that cover the global numbers first .. first + count - 1.

    The cuts lie at multiples of `size` counted from 0, so an item has the same place in a batch of the same shape
    whichever shard it is computed in. Places outside the range are padding, given as the nearest number inside.
    """
    for start in range(first - first % size, first + count, size):
        yield [min(max(n, first), first + count - 1) for n in range(start, start + size)]


def kept_places(numbers: list[int], size: int) -> list[int]:
    """Places of a batch of `on_grid` that hold their own number; another place may round a number differently."""
    return [place for place, number in enumerate(numbers) if number % size == place]
