"""One order of methods in all tables of the page: that in which the runs name them."""

from collections.abc import Callable, Sequence
from typing import TypeVar

import pandas as pd

Item = TypeVar("Item")


def by_method(items: Sequence[Item], methods: Sequence[str], method: Callable[[Item], str]) -> list[Item]:
    """The items in the order of `methods`; those of other methods stay in their order, below."""
    places = {name: place for place, name in enumerate(methods)}
    return sorted(items, key=lambda item: places.get(method(item), len(places)))


def rows_by_method(table: pd.DataFrame, methods: Sequence[str], same: Sequence[str] = ()) -> pd.DataFrame:
    """The rows in the order of `methods`, within groups of equal columns `same`, which stay where they first stand."""
    groups = list(table[list(same)].itertuples(index=False, name=None)) if same else [()] * len(table)
    first = {group: place for place, group in enumerate(dict.fromkeys(groups))}
    places = by_method(range(len(table)), methods, lambda i: table["method"].iloc[i])
    return table.iloc[sorted(places, key=lambda i: first[groups[i]])].reset_index(drop=True)
