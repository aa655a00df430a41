"""The one exception that users are meant to read."""


class RetortError(Exception):
    """A mistake in the input: the message says what is wrong, where, and what would be right."""
