"""Cutting work into batches so that what an item computes does not depend on its company."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
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


@dataclass(frozen=True)
class Batch:
    """Items that are computed at once.

    numbers: the item at each place. kept: the places whose items are computed for good; the others are padding. sets:
    the places of each set of items that see each other; None where every item is alone.
    """

    numbers: list[int]
    kept: list[int]
    sets: list[list[int]] | None = None


def alone_on_grid(first: int, count: int, size: int) -> Iterator[Batch]:
    """Batches of items that do not see each other, as `on_grid` cuts them."""
    for numbers in on_grid(first, count, size):
        yield Batch(numbers, kept_places(numbers, size))


def sets_on_grid(first: int, count: int, number: int, together: int, size: int) -> Iterator[Batch]:
    """Batches of whole sets of the groups first .. first + count - 1, each of `number` items that are numbered through.

    A set is `together` consecutive items of one group, of which the last may have fewer. A batch has as many sets as
    `size` items allow, and at least one, however large; sets are cut and batched by their global numbers, so the
    company of an item and the shape of its batch are the same whichever groups are computed here. A set takes
    `together` places, of which a smaller one leaves the last ones to padding.
    """
    together = min(together, number)
    per_group, at_once = -(-number // together), max(1, size // together)
    for ids in on_grid(first * per_group, count * per_group, at_once):
        own, numbers, kept, sets = kept_places(ids, at_once), [], [], []
        for place, (group, nth) in enumerate(divmod(of_all, per_group) for of_all in ids):
            begin = group * number + nth * together
            last = min(begin + together, (group + 1) * number) - 1
            sets.append([place * together + i for i in range(last - begin + 1)])
            kept += sets[-1] if place in own else []
            numbers += [min(n, last) for n in range(begin, begin + together)]
        yield Batch(numbers, kept, sets)
