"""Forgetting events (Toneva et al., ICLR 2019)."""

from typing import Literal

from pydantic import Field

from retort.parts.difficulties import Difficulty


class Forgetting(Difficulty):
    """An image is hard where it is often forgotten: recognised after one epoch, and not after the next."""

    seeded = True  # of images with equal counts some are drawn
    examples = ({}, {"never_learned": "easiest"})

    never_learned: Literal["hardest", "easiest"] = Field(
        "hardest",
        description="An image that was never recognised is the hardest, as in the paper, or, with 0 events, the "
        "easiest, as in DeepCore's and CCS's code.",
    )

    def hardness(self, lessons):
        import numpy as np

        from retort.methods.forgetting import forgetting_events
        from retort.methods.lessons import recognised

        found = []
        for run in lessons.logits:
            events, learned = forgetting_events(np.stack([recognised(epoch, lessons.labels) for epoch in run]))
            never = lessons.epochs if self.never_learned == "hardest" else 0
            found.append(np.where(learned, events, never))
        return np.mean(found, axis=0)

    def least_epochs(self) -> int:
        return 2

    def ties(self) -> bool:
        return True

    def in_words(self) -> str:
        return f"forgetting events, those never learned {self.never_learned}"
