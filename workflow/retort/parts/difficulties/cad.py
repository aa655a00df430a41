"""CAD: how much what a network says of an image changes near the end of training ("Hard Truths about Soft Labels")."""

from typing import Annotated, Literal

from pydantic import Field

from retort.base.grammar import Count
from retort.parts.difficulties import Difficulty


class Cad(Difficulty):
    """An image ranks high where what the network says of it changes from epoch to epoch near the end of training."""

    examples = ({"span": 2, "windows": 1}, {"span": 2, "windows": 1, "value": "el2n"}, {"span": 2, "windows": None})

    span: Annotated[int, Field(ge=2)] = Field(4, description="A window has this many consecutive epochs.")
    windows: Count | None = Field(
        2,
        description="The mean is over this many windows, of which the last ends one epoch before the last recorded "
        "one; null takes all windows, the last epoch included, as Dyn-Unc does.",
    )
    value: Literal["probability", "el2n"] = Field(
        "probability",
        description="The standard deviation is of this: the label's probability, or EL2N; what is known of CAD "
        "disagrees.",
    )

    def hardness(self, lessons):
        import numpy as np

        from retort.methods.fluctuation import fluctuations
        from retort.methods.lessons import chance_of, error_length

        of = chance_of if self.value == "probability" else error_length
        found = []
        for run in lessons.logits:
            each = fluctuations(np.stack([of(epoch, lessons.labels) for epoch in run]), self.span)
            found.append(each.mean(axis=0) if self.windows is None else each[-1 - self.windows : -1].mean(axis=0))
        return np.mean(found, axis=0)

    def least_epochs(self) -> int:
        return self.span + (self.windows or 0)

    def in_words(self) -> str:
        windows = "all windows" if self.windows is None else f"{self.windows} windows"
        return f"the deviation of {self.value} over {self.span} epochs, mean of {windows}"
