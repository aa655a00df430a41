"""The lines of a job's log that are read again: how it begins, that it computed on a GPU, and how it ends."""

import os
import re
import socket
from datetime import datetime

DONE = "retort: done in"
ON_GPU = "retort: computed on"
OPENING = re.compile(r"retort: (?P<job>.+) on (?P<host>\S+), pid (?P<pid>\d+), started (?P<started>\S+)\n")


def opening(rule: str, wildcards: dict[str, str]) -> str:
    """The first line of the log of a job of this process, which OPENING matches."""
    named = " ".join([rule, *(f"{key}={value}" for key, value in wildcards.items())])
    started = datetime.now().astimezone().isoformat(timespec="seconds")
    return f"retort: {named} on {socket.gethostname()}, pid {os.getpid()}, started {started}\n"


def done(seconds: float) -> str:
    """The last line of a job that ended well."""
    return f"{DONE} {seconds:.1f} s\n"


def failure(rule: str, reason: str) -> str:
    """The end of the log of a job that failed."""
    return f"retort: {rule}: {reason}"


def on_gpu(name: str, peak: float) -> str:
    """The line of a job that computed on a GPU; `peak` is the most memory that it reserved there, in MB."""
    return f"{ON_GPU} {name}, peak memory {peak:.1f} MB"
