"""What ends a job through no fault of its code, in one line: mistakes in the input, and what the machine refuses."""

import errno
import os
import re
import resource
import shutil
import stat
from collections.abc import Callable
from pathlib import Path

from retort.base.errors import RetortError
from retort.parts.foreign import blamed
from retort.running.corrupt import corrupt_input

KEPT = "Nothing that is finished is lost"


class Stopped(SystemExit):
    """The job was asked to stop by SIGTERM: a scheduler does so before it kills."""

    def __init__(self):
        super().__init__(143)


def explained(error: BaseException, snakemake) -> str | None:
    """What the error means and what would help; None where only a traceback helps."""
    if isinstance(error, RetortError):
        return str(error)
    if isinstance(error, Stopped):
        return f"it was asked to stop (SIGTERM). {KEPT}: run the same command again"
    if isinstance(error, KeyboardInterrupt):
        return f"it was interrupted. {KEPT}: run the same command again"
    if _lacks_memory(error):
        return _more_memory(str(error), snakemake)
    refused = _of_gpus(error) or _of_kernels(error) or _of_files(error, snakemake)
    return refused or corrupt_input(snakemake.input) or of_part(error)


def of_part(error: BaseException) -> str | None:
    """Where a part that lies outside Retort went wrong, and how; None where Retort's own code did."""
    where = blamed(error)
    first = next(iter(str(error).splitlines()), "")
    return where and f"{where}: {type(error).__name__}: {first} (the log of the job has the traceback)"


# ---------------------------------------------------------------- files and disks


def _of_files(error: BaseException, snakemake) -> str | None:
    """What the operating system refused, or what vanished; None where it was neither."""
    refusal = _refusal(error)
    if refusal is None:
        return None
    if refusal.errno in (errno.ENOENT, None):
        return _vanished(refusal, snakemake)
    saying = REFUSALS.get(refusal.errno)
    return saying(_place(refusal, snakemake), snakemake) if saying else None


def _refusal(error: BaseException) -> OSError | None:
    """The operating system's error, also where safetensors, which is written in Rust, only quotes it."""
    if isinstance(error, OSError):
        return error
    quoted = re.search(r"\(os error (\d+)\)(?: at path \"(.*)\")?", str(error))
    if type(error).__name__ != "SafetensorError" or not quoted:
        return None
    return OSError(int(quoted[1]), os.strerror(int(quoted[1])), quoted[2])


def _place(refusal: OSError, snakemake) -> Path:
    """The file that was refused, as far as is known, or else the job's first output."""
    return Path(os.fsdecode(refusal.filename) if isinstance(refusal.filename, str | bytes) else snakemake.output[0])


def _full(place: Path, snakemake) -> str:
    there = _nearest(place)
    free, files = shutil.disk_usage(there), os.statvfs(there)
    no_files = ", but no more files" if files.f_files and not files.f_favail else ""
    return (
        f"no space is left for {place} on the file system mounted at {_mount(there)}: {_size(free.free)} of "
        f"{_size(free.total)} are free{no_files}, now that what this job had begun is removed. {KEPT}: free space and "
        "run the same command again"
    )


def _quota(place: Path, snakemake) -> str:
    return (
        f"your quota is used up on the file system mounted at {_mount(_nearest(place))}, where {place} should be "
        f"written. {KEPT}: free space, or ask for more, and run the same command again"
    )


def _read_only(place: Path, snakemake) -> str:
    return (
        f"{place} cannot be written: the file system mounted at {_mount(_nearest(place))} is read-only. {KEPT}: make "
        "it writable, or let results/ be a link to where there is room, and run the same command again"
    )


def _denied(place: Path, snakemake) -> str:
    there = _nearest(place)
    facts = there.stat()
    return (
        f"permission denied for {place}: {there} is {stat.filemode(facts.st_mode)} and belongs to user "
        f"{facts.st_uid}, group {facts.st_gid}; this job runs as user {os.geteuid()}. {KEPT}: mend the permissions and "
        "run the same command again"
    )


def _one_reader(snakemake) -> str:
    """What to type so that a job reads images by itself."""
    rule = snakemake.rule
    return f"--set-resources {rule}:readers=1" if snakemake.resources.get("readers") else f"--set-threads {rule}=1"


def _too_many_files(place: Path, snakemake) -> str:
    limit = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    return (
        f"too many files are open at once; this process may have {limit}. Raise that (ulimit -n), or let fewer "
        f"processes read: {_one_reader(snakemake)}"
    )


def _failing(place: Path, snakemake) -> str:
    return (
        f"the file system mounted at {_mount(_nearest(place))} fails at {place}: that is the disk, or the network to "
        f"it. {KEPT}: mend it and run the same command again"
    )


REFUSALS: dict[int, Callable[[Path, object], str]] = {
    errno.ENOSPC: _full,
    errno.EDQUOT: _quota,
    errno.EROFS: _read_only,
    errno.EACCES: _denied,
    errno.EPERM: _denied,
    errno.EMFILE: _too_many_files,
    errno.ENFILE: _too_many_files,
    errno.EIO: _failing,
    errno.ESTALE: _failing,
}


def _vanished(refusal: OSError, snakemake) -> str | None:
    """Of an input that is gone, or of an output's folder; None where something else was not found."""
    lost = _place(refusal, snakemake).absolute()
    for path in map(Path, snakemake.input):
        if not path.exists():
            return f"its input {path} vanished while it ran; run the same command again: it will be rebuilt"
        if refusal.filename and path.absolute() in lost.parents:
            part = lost.relative_to(path.absolute())
            return f"its input {path} lacks {part}; delete {path} and run again: it will be rebuilt"
    for folder in (Path(path).parent for path in snakemake.output):
        if not folder.is_dir():
            return f"the folder {folder} vanished while it ran; run the same command again"
    return None


def _nearest(place: Path) -> Path:
    """The place itself, or the nearest folder above it that is there."""
    return next(path for path in (place.absolute(), *place.absolute().parents) if os.path.lexists(path))


def _mount(there: Path) -> Path:
    return next(path for path in (there.resolve(), *there.resolve().parents) if path.is_mount())


def _size(count: float) -> str:
    for unit in ("bytes", "KB", "MB", "GB"):
        if count < 1000:
            return f"{count:.4g} {unit}"
        count /= 1000
    return f"{count:.4g} TB"


# ---------------------------------------------------------------- memory


def _lacks_memory(error: BaseException) -> bool:
    """Whether memory ran out, on a GPU or not; torch says so by errors of several kinds."""
    if isinstance(error, MemoryError) or (isinstance(error, OSError) and error.errno == errno.ENOMEM):
        return True
    signs = ("out of memory", "can't allocate memory", "ALLOC_FAILED")
    return isinstance(error, RuntimeError) and any(sign in str(error) for sign in signs)


OF_STUDENTS = (
    "take a GPU with more memory, or set protocols.NAME.precision: bfloat16 (about half of it) or "
    "protocols.NAME.accumulate: 2 (a batch in two parts); either makes another protocol, with an id of its own"
)
SPARING = {
    "train_students": OF_STUDENTS,
    "train_one_student": OF_STUDENTS,
    "relabel_set": "take a GPU with more memory, or set protocols.NAME.precision: bfloat16 (about half of it), which "
    "makes another protocol, with an id of its own",
}
"""What helps where a batch belongs to the experiment."""


def _more_memory(said: str, snakemake) -> str:
    on_gpu = any(sign in said for sign in ("CUDA", "CUBLAS", "CUDNN"))
    first = next(iter(said.splitlines()), "")
    what = f"out of memory on the GPU ({first})" if on_gpu else f"out of memory ({first or 'MemoryError'})"
    rule, batch = snakemake.rule, snakemake.resources.get("batch")
    if batch and batch > 1:
        return f"{what}; it computes {batch} images at once, fewer need less: --set-resources {rule}:batch={batch // 2}"
    if snakemake.resources.get("micro_batch") is not None:
        return (
            f"{what}; both need less and change no result but rounding: --set-resources {rule}:micro_batch=N, the "
            f"examples computed at once (now {snakemake.resources.get('micro_batch') or 'all of a batch'}), and "
            f"{rule}:recompute=1"
        )
    if on_gpu and rule in SPARING:
        return f"{what}; {SPARING[rule]}"
    if on_gpu:
        return f"{what}; it needs a GPU with more, or one that nobody else uses; a model's run and dtype can save some"
    return (
        f"{what}; give the job more (on a cluster --set-resources {rule}:mem_mb=N), or let fewer jobs run at once "
        f"(--jobs) and fewer processes read ({_one_reader(snakemake)})"
    )


# ---------------------------------------------------------------- GPUs

OTHER_BUILD = "set up PyTorch's CUDA 12.6 build instead: rm -r .venv && make env TORCH_BACKEND=cu126"
OLD_DRIVER = (
    "the NVIDIA driver here is too old for the PyTorch installed (the default CUDA 13 build needs driver 580 or "
    f"newer): update it, or {OTHER_BUILD}"
)
OLD_GPU = (
    "the GPU here is of a kind that the PyTorch installed has no code for (the default CUDA 13 build runs on Turing "
    f"and newer, from compute capability 7.5 on): {OTHER_BUILD}"
)
GPU_REFUSALS = {
    "driver on your system is too old": OLD_DRIVER,
    "driver version is insufficient": OLD_DRIVER,
    "no kernel image is available": OLD_GPU,
}
"""What torch says of a driver or a GPU that it cannot use -> what it means and what would help."""


def _of_gpus(error: BaseException) -> str | None:
    """Of a driver or a GPU that PyTorch's build does not know; None where it was neither."""
    if not isinstance(error, RuntimeError):
        return None
    found = next((meaning for sign, meaning in GPU_REFUSALS.items() if sign in str(error)), None)
    return found and f"{found} ({next(iter(str(error).splitlines()))})"


def _of_kernels(error: BaseException) -> str | None:
    """Of what torch has no deterministic kernel for; None where it was something else."""
    refused = re.match(r"(\S+) does not have a deterministic implementation", str(error))
    if not isinstance(error, RuntimeError) or not refused:
        return None
    return (
        f"the config says deterministic: true, but on a GPU torch has no deterministic kernel for {refused[1]}: take "
        "another network, or set deterministic to false"
    )
