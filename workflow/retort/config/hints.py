"""'Did you mean': the nearest allowed word to one that was not."""

from collections.abc import Iterable
from difflib import get_close_matches


def did_you_mean(word: str, allowed: Iterable[str]) -> str:
    """', did you mean X?' for the closest of `allowed`, or nothing when none is close."""
    close = get_close_matches(str(word), list(allowed), n=1)
    return f", did you mean {close[0]!r}?" if close else ""
