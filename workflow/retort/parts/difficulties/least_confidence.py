"""Least confidence: how unsure a trained network is of its likeliest class (Coleman et al., ICLR 2020)."""

from typing import Literal

from pydantic import Field

from retort.parts.difficulties import AfterTraining


class LeastConfidence(AfterTraining):
    """An image is hard where the trained network is not sure of its likeliest class."""

    examples = ({}, {"by": "logit"})

    by: Literal["probability", "logit"] = Field(
        "probability",
        description="The likeliest class is measured by its probability, as in the paper, or by its logit, as in "
        "DeepCore's code.",
    )

    def of_logits(self, logits):
        import numpy as np

        from retort.methods.lessons import chances

        found = chances(logits) if self.by == "probability" else np.asarray(logits, dtype=np.float64)
        return -found.max(axis=1)

    def in_words(self) -> str:
        return f"least confidence (by {self.by})"
