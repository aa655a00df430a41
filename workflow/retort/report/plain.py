"""Settings as people write them, and what is said of a part that has no words of its own."""

from collections.abc import Callable
from typing import Any, TypeVar

from retort.base.errors import RetortError

Words = TypeVar("Words")


def plain(value: Any) -> str:
    """A setting as people write it; a table that numbers of images name says up to which of them it holds."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:g}"
    if isinstance(value, dict) and value and all(str(bound).isdigit() for bound in value):
        return ", ".join(f"up to {bound} per class: {plain(number)}" for bound, number in value.items())
    if isinstance(value, dict):
        return ", ".join(f"{key} {_inner(inner)}" for key, inner in value.items())
    if isinstance(value, list | tuple):
        return " to ".join(map(plain, value))
    return str(value)


def _inner(value: Any) -> str:
    return f"({plain(value)})" if isinstance(value, dict) else plain(value)


def in_words_or_plain(words: Callable[[Any], Words], does: str, settings: Any) -> Words | str:
    """What `words` say of a part's settings; of a part that they do not know, what it `does` by its settings as set.

    A part may be younger than the words, or lie in a folder that is gone: that is no reason to lose a report of
    everything that was trained.
    """
    try:
        return words(settings)
    except (LookupError, TypeError, ValueError, AttributeError, RetortError):
        return f"{does} by {plain(settings)}"
