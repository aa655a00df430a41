"""Jobs keep off the terminal of a run that shows itself there; found out as by systemd's JOURNAL_STREAM.

The run leaves the identities of its streams in the environment. A job that writes to one of them writes to its log
alone; on a cluster its streams are others.
"""

import os

NAME = "RETORT_SHOWN"


def identity(stream) -> str | None:
    """The device and inode of the file behind a stream; None where there is none."""
    try:
        facts = os.fstat(stream.fileno())
    except (OSError, ValueError, AttributeError):
        return None
    return f"{facts.st_dev}:{facts.st_ino}"


def mute(*streams) -> None:
    """From now on, jobs that this process starts leave these streams alone."""
    os.environ[NAME] = ",".join(sorted({found for stream in streams if (found := identity(stream))}))


def unmute() -> None:
    os.environ.pop(NAME, None)


def is_muted(stream) -> bool:
    """Whether the run that started this process shows itself on the stream."""
    return identity(stream) in os.environ.get(NAME, "").split(",")
