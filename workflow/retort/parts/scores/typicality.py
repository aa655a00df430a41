"""Windows of real images, scored by their typicality (DDPS; Siglidis et al., ECCV 2024)."""

from pydantic import Field

from retort.base.grammar import Count
from retort.parts.part import TypicalityName
from retort.parts.scores import Most, Score


class TypicalityScore(Score):
    """Patches are square windows, scored by their mean typicality; no two of an image touch (DDPS)."""

    told_by = "typicality"
    stage = "score_windows"
    unit = "windows"
    seeded = False  # the typicality belongs to all that name it

    typicality: TypicalityName = Field(description="The maps are those of this typicality.")
    window: float = Field(0.25, gt=0, le=1, description="The side of a window is this share of the image's side.")
    per_image: Count = Field(5, description="Each image gives this many windows, its best ones.")
    keep: Count = Field(1000, description="This many windows of a class are ranked, its best ones.")

    def most_patches(self) -> Most:
        return Most(self.keep, "keep", "windows of a class are ranked")

    def most_of_an_image(self) -> int:
        return self.per_image

    def in_words(self) -> str:
        return f"the windows that are most typical of the class ({self.typicality})"

    def in_full(self, record) -> str:
        return (
            f"Patches: windows of {self.window:g} of a side, up to {self.per_image} of a real image, the {self.keep} "
            f"of a class with most typicality ({self.typicality})."
        )
