"""One job at a time works in a folder of checkpoints: a run that was killed may have left another one there."""

import fcntl
import os
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path

from retort.base.errors import RetortError

PATIENCE = 120  # seconds: a short job ends by then, and a file server has noticed that a machine is gone


@contextmanager
def alone_at(checkpoint: str | Path | None) -> Iterator[None]:
    """Hold what is at `checkpoint` for this process alone, for as long as the context lasts; None holds nothing.

    The operating system lets go of the lock when its process ends, however it does. File systems that know no locks
    are trusted. Raises RetortError, naming the other process, when that has not let go within `PATIENCE` seconds.
    """
    if checkpoint is None:
        yield
        return
    path = Path(f"{checkpoint}.lock")
    path.parent.mkdir(parents=True, exist_ok=True)
    lock = _taken(path)
    try:
        yield
    finally:
        if lock is not None:
            path.unlink(missing_ok=True)
            os.close(lock)


def _taken(path: Path) -> int | None:
    """The open lock; None where the file system has none."""
    deadline = time.monotonic() + PATIENCE
    said = False
    while True:
        lock = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = os.pread(lock, 200, 0).decode(errors="replace") or "another process"
            os.close(lock)
            if time.monotonic() > deadline:
                raise RetortError(
                    f"{path.with_suffix('')} is in use by {holder}, which makes the same result; a run that was killed "
                    "may have left it. Let it end, or end it (kill), and run the same command again"
                ) from None
            if not said:
                print(f"waiting for {holder}, which makes the same result")
                said = True
            time.sleep(min(1, PATIENCE))
            continue
        except OSError:
            os.close(lock)
            return None
        if _is_at(lock, path):
            os.ftruncate(lock, 0)
            started = datetime.now().astimezone().isoformat(timespec="seconds")
            os.pwrite(lock, f"process {os.getpid()} on {socket.gethostname()} since {started}".encode(), 0)
            return lock
        os.close(lock)  # the one before has just let go of it, and its file is gone


def _is_at(lock: int, path: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(lock), path.stat())
    except FileNotFoundError:
        return False
