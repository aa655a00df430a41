"""Mosaics of square patches (RDED, CVPR 2024; DDPS)."""

from typing import Annotated, Literal

from pydantic import Field

from retort.parts.compositions import Composition
from retort.parts.resolve import any_of

_SCORE = "{teacher: NAME, ...}, {teacher: NAME, gradient: ..., ...} or {typicality: NAME, ...}"
_RANK = "score, or {clusters: K, encoder | teacher: NAME}"


class Mosaic(Composition):
    """Images are put together from real patches, grid x grid to an image (RDED, DDPS)."""

    assumed = True
    seeded = False  # its score and its ranking say whether they are
    stage = "compose_mosaics"
    examples = (
        {"score": {"teacher": "any"}},
        {"score": {"typicality": "any"}, "rank": {"clusters": 3, "encoder": "any"}},
    )

    score: any_of("scores", _SCORE) = Field(description=f"Patches are cut and scored in this way: {_SCORE}.")
    rank: any_of("rankings", _RANK) = Field(
        "score", validate_default=True, description=f"Patches are ranked in this way: {_RANK}."
    )
    grid: Annotated[int, Field(ge=1, le=16)] = Field(
        2, description="An image has this many patches along each of its sides."
    )
    fill: Literal["strided", "consecutive"] = Field(
        "strided",
        description="Patches fill the images in this way: strided gives every image good and less good ones, as RDED; "
        "consecutive gives the best to the first image, so that smaller sets are the first images of larger ones.",
    )
    rounding: Literal["truncate", "nearest"] = Field(
        "nearest",
        description="Grey levels are rounded to 8 bits in this way: nearest takes the nearest level, truncate cuts off "
        "fractions, as RDED's code does.",
    )

    def in_words(self) -> str:
        ranked = f", {said}" if (said := self.rank.in_words()) else ""
        return f"real patches, {self.grid} x {self.grid} to an image: {self.score.in_words()}{ranked}"

    def in_full(self, record) -> str:
        grid = f"{self.grid} x {self.grid}"
        taken = f"Composed: {grid} patches to an image, taken {self.rank.taken()} ({self.fill})."
        return f"{self.score.in_full(record)}\n{taken}"
