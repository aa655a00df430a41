"""One of several groups of generated images for each class, chosen for all classes together (S3 of IMS3, CVPR 2026)."""

from pydantic import Field

from retort.parts.selections import OfAllClasses


class Subgroups(OfAllClasses):
    """The pool of a class is groups of as many images as are wanted; one group is kept, near the real images and far
    from the groups of other classes (S3)."""

    told_by = "subgroups"
    examples = ({"subgroups": 3}, {"subgroups": 3, "average": True}, {"subgroups": 3, "epsilon": 0.0, "apart": 2.0})

    near: float = Field(0.4, ge=0, description="Nearness to the real images of the class has this weight.")
    apart: float = Field(0.9, ge=0, description="Distance from the groups of other classes has this weight.")
    epsilon: float = Field(
        1e-6,
        ge=0,
        description="This is added to distances before their logarithm is taken; IMS3's script has 0, its code 1e-6.",
    )
    passes: int = Field(5, ge=0, description="All classes are gone through at most so many times.")
    average: bool = Field(
        False,
        description="With true, both sums are divided by their numbers of terms, without which the distance between "
        "classes weighs ever more with more classes.",
    )

    def choose_groups(self, candidates, real, progress=iter):
        from retort.methods.subgroups import Objective, coordinate_ascent

        objective = Objective(candidates, real, self.near, self.apart, self.epsilon, self.average)
        return coordinate_ascent(objective, self.passes, progress)

    def in_words(self) -> str:
        return f"one of {self.subgroups} groups of each class, near the real images and far from other classes"

    def in_full(self, record) -> str:
        return (
            f"Chosen: one of {self.subgroups} groups of the pool of each class, for all classes together, near the "
            f"real images (weight {self.near:g}) and far from the groups of other classes (weight {self.apart:g}) in "
            f"the features of the teacher {self.teacher} (S3)."
        )
