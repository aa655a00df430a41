"""A GPU of its own for each job where several are seen: on a machine, or in an allocation of a cluster's."""

import fcntl
import os
import subprocess
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

HIDDEN_BY = "CUDA_VISIBLE_DEVICES"


@contextmanager
def own_gpu(wanted: bool) -> Iterator[None]:
    """Let this process see one GPU that no other job of this user has, for as long as the block lasts.

    Nothing happens where the job wants none, and where it sees fewer than two, as one that a cluster's scheduler gave
    its own. Where all are taken the job shares the first, and says so. CUDA must not have been started before.
    """
    gpus = visible_gpus(os.environ) if wanted else []
    if len(gpus) < 2:
        yield
        return
    before = os.environ.get(HIDDEN_BY)
    with _first_free(gpus) as (gpu, alone):
        if not alone:
            print(f"all {len(gpus)} GPUs are taken, so this job shares {gpu}; --resources gpu={len(gpus)} prevents it")
        os.environ[HIDDEN_BY] = gpu
        try:
            yield
        finally:
            if before is None:
                del os.environ[HIDDEN_BY]
            else:
                os.environ[HIDDEN_BY] = before


def visible_gpus(environment: Mapping[str, str]) -> list[str]:
    """Numbers or UUIDs of the GPUs that a process may see; none where there is no driver."""
    if HIDDEN_BY in environment:
        return [gpu.strip() for gpu in environment[HIDDEN_BY].split(",") if gpu.strip()]
    return list(_uuids().values())


def _uuids() -> dict[str, str]:
    """Number -> UUID of the GPUs that the driver shows here; none where there is no driver."""
    try:
        ask = ["nvidia-smi", "--query-gpu=index,uuid", "--format=csv,noheader"]
        told = subprocess.run(ask, capture_output=True, text=True, timeout=60)
    except (OSError, subprocess.TimeoutExpired):
        return {}
    return dict(line.split(", ") for line in told.stdout.splitlines()) if told.returncode == 0 else {}


def _lock(gpu: str, uuids: Mapping[str, str]) -> Path:
    """By UUID, because a number may be another GPU in another allocation, and one GPU goes by several names."""
    known = uuids.get(gpu) or next((uuid for uuid in uuids.values() if uuid.startswith(gpu)), gpu)
    return Path(tempfile.gettempdir(), f"retort-{os.getuid()}-{known.replace('/', '-')}.lock")


@contextmanager
def _first_free(gpus: list[str]) -> Iterator[tuple[str, bool]]:
    """The first GPU whose lock nobody holds, and True; else the first of all, and False. The kernel frees the locks
    of a process that dies."""
    uuids = _uuids() if HIDDEN_BY in os.environ else {}  # without a list they are UUIDs already
    for gpu in gpus:
        with open(_lock(gpu, uuids), "w") as handle:
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                continue
            yield gpu, True
            return
    yield gpus[0], False
