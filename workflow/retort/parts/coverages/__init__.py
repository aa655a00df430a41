"""Coverages: a few rows of a class's features that cover all of them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from retort.parts.part import Part

if TYPE_CHECKING:
    import numpy as np


class Coverage(Part):
    """A way to cover a class."""

    family = "coverages"

    def cover(self, features: np.ndarray, count: int, seed: int) -> Sequence[int]:
        """`count` distinct rows of features (n, D), which are finite; int each.

        D is at most n - 1 where features had more numbers than rows: they are rotated, which keeps every distance.
        """
        raise NotImplementedError

    def reads_order(self) -> bool:
        """Whether others may be chosen where the same rows stand in another order."""
        return False
