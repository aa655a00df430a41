"""Herding (Welling 2009) without replacement."""

from retort.parts.coverages import Coverage


class Herding(Coverage):
    """Each image takes the mean of the chosen ones nearest to the mean of the class."""

    seeded = False

    def cover(self, features, count, seed):
        from retort.methods.herding import herding

        return herding(features, count)

    def in_words(self) -> str:
        return "herding"
