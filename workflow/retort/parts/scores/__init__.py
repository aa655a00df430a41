"""Scores of patches: how patches are cut from real images, and which of them are best."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Literal, NamedTuple

from pydantic import Field, field_validator
from pydantic_core import PydanticCustomError

from retort.base.grammar import Count, Fraction
from retort.parts.part import Part, TeacherName

if TYPE_CHECKING:
    from torch import Tensor


class Most(NamedTuple):
    """The most patches of a class: how many, by which key, and in words."""

    count: int
    key: str
    what: str


class Score(Part):
    """A score of patches."""

    family = "scores"
    unit: ClassVar[Literal["patches", "windows"]] = "patches"
    """What the patches are called where a class has too few images for them."""

    def clashes(self, method):
        if self.stage is None:
            yield (
                f"compose.score: {self.kind} does not say which stage cuts its patches; let its class be a CropScore "
                "(retort.parts.scores)"
            )

    def most_patches(self) -> Most:
        """How many patches a class has at most."""
        raise NotImplementedError

    def most_of_an_image(self) -> int:
        """How many patches an image gives at most."""
        return 1

    def cut_for(self, grid: int) -> int | None:
        """What the grid of a composition means for the size of patches; None where it means nothing."""
        return None


class CropScore(Score):
    """A score of random square crops by what a teacher says of each; the best crop of an image counts."""

    stage = "score_crops"

    teacher: TeacherName = Field(description="This teacher scores the crops.")
    images: Count = Field(300, description="Crops are taken from this many random images of each class.")
    crops: Count = Field(5, description="Each image has this many crops, of which the best one counts.")
    area: tuple[Fraction, Fraction] = Field(
        (0.08, 1.0), description="A crop takes a share of its image's area in this range."
    )

    @field_validator("area")
    @classmethod
    def _ordered(cls, area: tuple[float, float]) -> tuple[float, float]:
        if not 0 < area[0] <= area[1]:
            raise PydanticCustomError("area", "must be two areas with 0 < low <= high <= 1", {})
        return area

    def losses(self, logits: Tensor, labels: Tensor) -> Tensor:
        """(N,) float32 from logits (N, K) float32 of N crops of images of class labels (N,) int64; the lowest is best.

        What it says of a crop may not depend on the others. One that `sees_features` takes a third argument, norms (N,)
        float32: the length of the features that the teacher's last layer sees.
        """
        raise NotImplementedError

    def sees_features(self) -> bool:
        """Whether it takes the length of the features of each crop, too."""
        return False

    def most_patches(self) -> Most:
        return Most(self.images, "images", "images of a class give one patch each")

    def cut_for(self, grid: int) -> int | None:
        return grid
