"""What users are meant to read."""

from collections.abc import Sequence
from pathlib import Path


class RetortError(Exception):
    """A mistake in the input: the message says what is wrong, where, and what would be right."""


class Corrupt(RetortError, ValueError):
    """A file that was made here is not what it should be: without it, it is made again."""

    def __init__(self, path: str | Path, what: str):
        self.found = f"{path} {what}"
        super().__init__(f"{self.found}; delete it and run again: it will be rebuilt")


def some_of(names: Sequence[str], most: int = 8) -> str:
    """The first few names, and how many more there are."""
    return ", ".join(names[:most]) + (
        f" and {len(names) - most} more" if len(names) > most else "" if names else "none"
    )


def place_of(error: BaseException, roots: Sequence[Path]) -> str | None:
    """FILE, line N of the last frame of an error in one of these folders or files; None where there is none."""
    found, trace = None, error.__traceback__
    while trace:
        file = Path(trace.tb_frame.f_code.co_filename)
        if any(file.is_relative_to(root) for root in roots):
            found = f"{file}, line {trace.tb_lineno}"
        trace = trace.tb_next
    return found
