"""A job that takes a GPU as every job of Retort's does, from inside a /tmp of its own, says which, and keeps it.

As under job_container/tmpfs or another plugin that gives each job a private /tmp and /dev/shm.
"""

import ctypes
import os
import time
from pathlib import Path

from retort.running.gpus import HIDDEN_BY, own_gpu

NEW_MOUNTS, PRIVATE, RECURSIVE = 0x20000, 1 << 18, 1 << 14  # of Linux's sched.h and mount.h


def hide_temporary_folders() -> None:
    """From here on this process sees empty ones, which no other process sees."""
    kernel = ctypes.CDLL(None, use_errno=True)
    calls = [kernel.unshare(NEW_MOUNTS), kernel.mount(None, b"/", None, RECURSIVE | PRIVATE, None)]
    calls += [kernel.mount(b"private", folder, b"tmpfs", 0, None) for folder in (b"/tmp", b"/dev/shm")]
    if any(calls):
        raise OSError(ctypes.get_errno(), "a private /tmp was refused")


def main() -> None:
    node = os.environ["SLURMD_NODENAME"]
    hide_temporary_folders()
    with own_gpu(True):
        there = [path.name for path in Path("/tmp").iterdir()]
        print(f"GPU {os.environ[HIDDEN_BY]} on {node}, {there or 'nothing'} in /tmp", flush=True)
        time.sleep(600)


if __name__ == "__main__":
    main()
