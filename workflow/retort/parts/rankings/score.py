"""Patches by their score alone."""

from retort.parts.rankings import Ranking


class ByScore(Ranking):
    """The patches of best score are taken first."""

    def in_words(self) -> str:
        return ""

    def taken(self) -> str:
        return "by their score"
