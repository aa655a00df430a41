"""Patches by their score alone."""

from retort.parts.rankings import Ranking


class ByScore(Ranking):
    """The patches of best score are taken first."""

    stage = None  # they are scored in this order
    seeded = False

    def in_words(self) -> str:
        return ""

    def taken(self) -> str:
        return "by their score"
