"""Rankings: the order in which scored patches fill the images of a class."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from retort.parts.part import Part

if TYPE_CHECKING:
    import numpy as np


class Ranking(Part):
    """A ranking; one that names an encoder or a teacher is given what that makes of each patch."""

    family = "rankings"
    stage: ClassVar[str | None] = "rank_patches"

    def order(self, features: np.ndarray, scores: np.ndarray, seed: int) -> tuple[np.ndarray, np.ndarray]:
        """The rows of features (n, D) float32 in order, (n,) int64, and the cluster of each row, (n,) int64.

        scores (n,) float64, the highest best. A larger set takes the beginning of the same order. Raises ValueError
        for what cannot be ranked.
        """
        raise NotImplementedError

    def clashes(self, method):
        if self.stage and not self.space():
            yield (
                f"compose.rank: {self.kind} ranks patches by what an encoder or a teacher makes of them, and names "
                "neither; let it have a key for one"
            )

    def taken(self) -> str:
        """How patches are taken, for the card of a set: "taken ..."."""
        return self.in_words()
