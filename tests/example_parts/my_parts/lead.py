"""A selection: images that a teacher tells from the next best class by a clear, or by a close, lead."""

from typing import Literal

from pydantic import Field

from retort.parts.part import TeacherName
from retort.parts.selections import Chosen, Selection

from ._helper import chances


class Lead(Selection):
    """The lead is the probability of the image's own class less the largest of another class, in [-1, 1]."""

    teacher: TeacherName = Field(description="This teacher looks at the images.")
    keep: Literal["clear", "close"] = Field("clear", description="Images of the largest or smallest lead come first.")

    def choose(self, seen, count, seed):
        found = chances(seen.logits)
        own = found[:, seen.class_index].clone()
        found[:, seen.class_index] = -1
        lead = own - found.max(dim=1).values
        order = lead.argsort(descending=self.keep == "clear", stable=True)[:count]
        return Chosen(order.tolist(), {"lead": [round(m, 6) for m in lead[order].tolist()]})

    def in_words(self):
        return f"images that {self.teacher} tells from the next class by a {self.keep} lead"
