"""A GPU of its own for each job on a machine that has several; a cluster's scheduler does that itself."""

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

    Nothing happens where the job wants none, where it sees fewer than two, and in a job of SLURM, which hands them out
    under numbers that mean another GPU in every job. Where all are taken the job shares the first, and says so. CUDA
    must not have been started before.
    """
    gpus = visible_gpus(os.environ) if wanted and "SLURM_JOB_ID" not in os.environ else []
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
    try:
        ask = ["nvidia-smi", "--query-gpu=uuid", "--format=csv,noheader"]
        told = subprocess.run(ask, capture_output=True, text=True, timeout=60)
    except (OSError, subprocess.TimeoutExpired):
        return []
    return told.stdout.split() if told.returncode == 0 else []


@contextmanager
def _first_free(gpus: list[str]) -> Iterator[tuple[str, bool]]:
    """The first GPU whose lock nobody holds, and True; else the first of all, and False. The kernel frees the locks
    of a process that dies."""
    for gpu in gpus:
        lock = Path(tempfile.gettempdir(), f"retort-{os.getuid()}-{gpu.replace('/', '-')}.lock")
        with open(lock, "w") as handle:
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                continue
            yield gpu, True
            return
    yield gpus[0], False
