"""The hardest, or the easiest, real images of each class by what a network said of them in its training: coresets."""

from typing import Annotated, Literal

from pydantic import Field

from retort.base.grammar import Name
from retort.parts.part import Names
from retort.parts.resolve import any_of, listed, ours
from retort.parts.selections import Chosen, Selection, among

SUPERLATIVE = {"hard": "hardest", "easy": "easiest"}
DynamicsName = Annotated[Name, Names("dynamics", "record of a training")]


class ScoreSelect(Selection):
    """The hardest or the easiest images of each class are kept, by a score of their training dynamics."""

    told_by = "score"
    pools = False
    seeded = False  # the score says whether it is
    examples = tuple(
        {"score": {"kind": kind} | dict(keys), "dynamics": "any", "keep": keep}
        for kind, cls in ours("difficulties").items()
        for keys in cls.examples
        for keep in ("hard", "easy")
    )

    score: any_of("difficulties", listed("difficulties")) = Field(
        description=f"Images are scored in this way: {listed('difficulties')}."
    )
    dynamics: DynamicsName = Field(description="The score is of this record of a training.")
    keep: Literal["hard", "easy"] = Field("hard", description="The hardest or the easiest images of a class are kept.")

    def choose(self, seen, count, seed):
        import numpy as np

        hardness = self.score.hardness(seen.lessons)
        turn = np.random.default_rng(seed).permutation(len(hardness))  # which of equal images is taken is drawn
        order = turn[np.argsort((-hardness if self.keep == "hard" else hardness)[turn], kind="stable")][:count]
        return Chosen(order.tolist(), {"score": [round(value, 6) for value in hardness[order].tolist()]})

    def reads_order(self) -> bool:
        return self.score.ties()

    def space(self) -> dict[str, str]:
        return {"dynamics": self.dynamics}

    def source(self) -> str:
        return "a score of training dynamics"

    def misfits(self, place, method, config):
        yield from super().misfits(place, method, config)
        if self.dynamics not in config.dynamics:
            return
        recorded, least = config.dynamics[self.dynamics].recorded(), self.score.least_epochs()
        if recorded < least:
            yield (
                f"{place}.select.score: {self.score.kind} needs {least} recorded epochs, but dynamics."
                f"{self.dynamics} records {recorded}; train for more epochs, or let the score take fewer"
            )

    def in_words(self) -> str:
        return f"the {SUPERLATIVE[self.keep]} real images of each class by {self.score.in_words()} ({self.dynamics})"

    def in_full(self, record) -> str:
        return (
            f"Chosen: the {SUPERLATIVE[self.keep]} images {among(record)} of each class by {self.score.in_words()}, in "
            f"the training dynamics {self.dynamics}."
        )
