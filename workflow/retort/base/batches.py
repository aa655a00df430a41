"""Cutting work into batches so that what an item computes does not depend on its company."""

from collections.abc import Iterable, Iterator
from itertools import islice
from typing import TypeVar

Rows = TypeVar("Rows")
"""A tensor or an array, by rows; torch is not imported here, where jobs that only read sets do not need it."""


def in_batches(items: Iterable, size: int) -> Iterator[list]:
    """Consecutive lists of `size` items, the last one shorter."""
    items = iter(items)
    while batch := list(islice(items, size)):
        yield batch


def repeated_to(items: Rows, size: int) -> Rows:
    """The items (N, ...), N > 0, and their last one again until there are `size` (at least): a shape that is known."""
    last = len(items) - 1
    return items if last + 1 >= size else items[[min(row, last) for row in range(size)]]


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
