"""The one exception that users are meant to read."""

from collections.abc import Sequence


class RetortError(Exception):
    """A mistake in the input: the message says what is wrong, where, and what would be right."""


def some_of(names: Sequence[str], most: int = 8) -> str:
    """The first few names, and how many more there are."""
    return ", ".join(names[:most]) + (
        f" and {len(names) - most} more" if len(names) > most else "" if names else "none"
    )
