"""A GPU of its own for each job where several are seen: on a machine, or in an allocation of a cluster's."""

import errno
import os
import socket
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from retort.base.devices import BY_HAND
from retort.base.errors import RetortError

HIDDEN_BY = "CUDA_VISIBLE_DEVICES"
DEVICE_FILES = Path("/dev")  # where a driver shows its GPUs as nvidia0, nvidia1 and so on
LOCKS = "retort"  # how the names of all locks begin


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
        answer = subprocess.run(ask, capture_output=True, text=True, timeout=60)
    except (OSError, subprocess.TimeoutExpired):
        return {}
    return dict(line.split(", ") for line in answer.stdout.splitlines()) if answer.returncode == 0 else {}


def why_no_gpu(wanted: str) -> str | None:
    """Why a job that asks for a GPU computes on the CPU, as a line of its log; None where it sees a GPU.

    wanted: the device that the job's model should run on, "auto" for the first GPU there is. Raises RetortError where
    a GPU must be there and is not seen: in a job of SLURM's, and on a machine whose driver shows one. Days on a CPU
    are no answer to the fault of a node.
    """
    import torch

    wanted = os.environ.get(BY_HAND, wanted)
    if wanted == "cpu":
        return f"this job computes on the CPU, as {BY_HAND if BY_HAND in os.environ else 'its run.device'} says"
    if torch.cuda.is_available() or wanted == "cuda":
        return None  # without one, what insists on it says so itself
    slurm_job, hidden = os.environ.get("SLURM_JOB_ID"), os.environ.get(HIDDEN_BY)
    if slurm_job is None and hidden in ("", "-1"):
        return f"this job computes on the CPU: {HIDDEN_BY} hides every GPU"
    if slurm_job is None and not driver_shows_a_gpu():
        return "this job computes on the CPU: there is no GPU on this machine"
    if torch.version.cuda is None and torch.version.hip is None:
        cause = "the PyTorch installed here is built for CPUs only (make env sets up one for GPUs)"
    else:
        cause = f"look at it with nvidia-smi there ({HIDDEN_BY} is {'not set' if hidden is None else repr(hidden)})"
    where = f"in SLURM's job {slurm_job} on {socket.gethostname()}" if slurm_job else f"on {socket.gethostname()}"
    raise RetortError(
        f"this job asks for a GPU and sees none {where}: {cause}; to compute on CPUs, run with --resources gpu=0"
        f"{' slot=2' if slurm_job else ''}"
    )


def driver_shows_a_gpu() -> bool:
    """Whether the machine has one, in this job's reach or not."""
    return any(DEVICE_FILES.glob("nvidia[0-9]*")) or bool(_uuids())


def _lock(gpu: str, uuids: Mapping[str, str]) -> str:
    """By UUID, because a number may be another GPU in another allocation, and one GPU goes by several names."""
    known = uuids.get(gpu) or next((uuid for uuid in uuids.values() if uuid.startswith(gpu)), gpu)
    return f"{LOCKS}-{os.getuid()}-{known}"


@contextmanager
def _first_free(gpus: list[str]) -> Iterator[tuple[str, bool]]:
    """The first GPU whose lock nobody holds, and True; else the first of all, and False.

    A lock is a socket bound to a name in Linux's abstract name space, which holds for the whole machine: files in /tmp
    or /dev/shm are private to each job on many clusters, and file systems that nodes share may have no locks. The
    kernel frees the name when the process dies.
    """
    uuids = _uuids() if HIDDEN_BY in os.environ else {}  # without a list they are UUIDs already
    for gpu in gpus:
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as lock:
            try:
                lock.bind(f"\0{_lock(gpu, uuids)}")
            except OSError as error:
                if error.errno != errno.EADDRINUSE:
                    raise
                continue
            yield gpu, True
            return
    yield gpus[0], False
