"""Difficulties: how hard each image of a class is, by what networks said of it after the epochs of their training."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

from pydantic import AfterValidator, Field
from pydantic_core import PydanticCustomError

from retort.base.grammar import Count
from retort.parts.part import Part

if TYPE_CHECKING:
    import numpy as np


def _ordered(epochs: tuple[int, int]) -> tuple[int, int]:
    if epochs[0] > epochs[1]:
        raise PydanticCustomError("epochs", "must be two epochs with 1 <= first <= last", {})
    return epochs


Epochs = Annotated[tuple[Count, Count], AfterValidator(_ordered)]
"""The first and the last of some epochs, counted from 1; both of them count."""


@dataclass(frozen=True)
class Lessons:
    """What networks said of n images after each of E epochs, in R trainings that differ in their seeds.

    logits (R, E, n, K) float16 or float32, memory-mapped perhaps, so that a difficulty reads one epoch at a time.
    norms (R, E, n) float32: the length of the features that the last layer saw. labels (n,) int64.
    """

    logits: np.ndarray
    norms: np.ndarray
    labels: np.ndarray

    @property
    def epochs(self) -> int:
        return self.logits.shape[1]


class Difficulty(Part):
    """A way to tell hard images from easy ones."""

    family = "difficulties"
    seeded = False  # the record belongs to all that name it

    def hardness(self, lessons: Lessons) -> np.ndarray:
        """(n,) float64, finite, of each image by itself; the highest is the hardest, or what its paper keeps first."""
        raise NotImplementedError

    def least_epochs(self) -> int:
        """How many epochs must have been recorded."""
        return 1

    def ties(self) -> bool:
        """Whether many images have the same hardness, as where something is counted."""
        return False


class OverEpochs(Difficulty):
    """A difficulty that is the mean over some epochs, and over all trainings."""

    epochs: Epochs | None = Field(
        None,
        description="The score is the mean over these epochs, [first, last], counted from 1; by default over all that "
        "are recorded.",
    )

    def hardness(self, lessons):
        import numpy as np

        first, last = self.epochs or (1, lessons.epochs)
        runs = range(len(lessons.logits))
        return np.mean(
            [self.after_epoch(lessons, run, epoch) for run in runs for epoch in range(first - 1, last)], axis=0
        )

    def after_epoch(self, lessons: Lessons, run: int, epoch: int) -> np.ndarray:
        """(n,) float64 by one training after one epoch, both counted from 0."""
        raise NotImplementedError

    def least_epochs(self) -> int:
        return self.epochs[1] if self.epochs else 1

    def when(self) -> str:
        """Of which epochs, in words."""
        return f"epochs {self.epochs[0]} to {self.epochs[1]}" if self.epochs else "all recorded epochs"


class AfterTraining(Difficulty):
    """A difficulty by the last recorded epoch alone, without the label; the mean over all trainings."""

    def hardness(self, lessons):
        import numpy as np

        return np.mean([self.of_logits(lessons.logits[run, -1]) for run in range(len(lessons.logits))], axis=0)

    def of_logits(self, logits: np.ndarray) -> np.ndarray:
        """(n,) float64 of logits (n, K)."""
        raise NotImplementedError
