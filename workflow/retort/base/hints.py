"""'Did you mean': the nearest allowed word to one that was not."""

from collections.abc import Iterable
from difflib import get_close_matches


def nearest(word: object, allowed: Iterable[str]) -> str | None:
    """The closest of `allowed`, letters of either case being alike, or None when none is close."""
    words, word = list(allowed), str(word)
    same = next((other for other in words if other.casefold() == word.casefold()), None)
    return same or next(iter(get_close_matches(word, words, n=1)), None)


def did_you_mean(word: object, allowed: Iterable[str]) -> str:
    """', did you mean X?' for the closest of `allowed`, or nothing when none is close."""
    close = nearest(word, allowed)
    return f", did you mean {close!r}?" if close else ""
