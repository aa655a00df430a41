"""What goes wrong in a job of a sabotaged workspace: installed there as `sitecustomize`, so every job starts with it.

Faults lie in the folder `faults` of the workspace, one empty file each, named STAGE.NUMBER.KIND. A job of that stage
takes the first one that is left, and meets it while it writes: when it begins its first output, or when that output is
whole but not yet in its place. Trainings meet theirs later, when checkpoints have been written.
"""

import atexit
import errno
import os
import signal
import sys
from contextlib import contextmanager
from pathlib import Path

FAULTS, BALLAST = Path("faults"), Path("results/ballast")
AFTER_CHECKPOINTS = {"train_vae": 3, "train_dit": 3, "train_teacher": 3, "train_students": 2}


def is_job(command: list[str]) -> bool:
    """Whether Snakemake runs this process for a rule, as `python .snakemake/scripts/tmp123.run.py`."""
    return any(word.endswith(".run.py") and "scripts" in Path(word).parts for word in command)


def take_fault(stage: str) -> str | None:
    """The kind of the next fault of a stage; taken by renaming, so that no other job takes it too."""
    for fault in sorted(FAULTS.glob(f"{stage}.*.*")):
        try:
            fault.rename(FAULTS / "met" / fault.name)
        except FileNotFoundError:
            continue
        return fault.name.split(".")[2]
    return None


def strike(kind: str, moment: str) -> None:
    """Do what a fault does at a moment, "begun" or "whole"; nothing where the moment is not its own."""
    match kind, moment:
        case "killed", "whole":
            os.kill(os.getpid(), signal.SIGKILL)
        case "terminated", "begun":
            os.kill(os.getpid(), signal.SIGTERM)
        case "full", "begun":
            fill_the_disk()
        case "readonly", "whole":
            raise OSError(errno.EROFS, os.strerror(errno.EROFS), "results")
        case ("allkilled", "whole") | ("allterminated", "whole"):
            remove_an_input()
            killed = kind == "allkilled"
            os.killpg(os.getpgid(0), signal.SIGKILL if killed else signal.SIGTERM)


def fill_the_disk() -> None:
    """Nothing can be written any more until the next job begins."""
    BALLAST.write_text(str(os.getpid()))
    with open(BALLAST, "ab", buffering=0) as ballast:
        for size in (2**20, 2**12, 1):
            try:
                while True:
                    ballast.write(bytes(size))
            except OSError as error:
                if error.errno != errno.ENOSPC:
                    raise


def make_room() -> None:
    """Throw the ballast away once the job that brought it has ended."""
    try:
        owner = BALLAST.read_bytes()[:12].split(b"\0")[0].decode()
        os.kill(int(owner or 0) or 2**22, 0)
    except FileNotFoundError:
        return
    except ProcessLookupError:
        BALLAST.unlink(missing_ok=True)


def remove_an_input() -> None:
    """The one that was made last, so that little else depends on it; what the user brought is left alone."""
    import shutil

    made = [Path(file) for file in sys.modules["__main__"].snakemake.input if str(file).startswith("results/")]
    made = [path for path in made if path.exists()]
    if made:
        last = max(made, key=lambda path: path.stat().st_mtime)
        shutil.rmtree(last) if last.is_dir() else last.unlink()
        with open(FAULTS / "removed.txt", "a") as list_of_removed:
            list_of_removed.write(f"{last}\n")


def sabotage(stage: str, kind: str) -> None:
    """Let the stage meet its fault in one of the next files or folders that it writes."""
    from retort.base import files

    writes = 0

    def faulty(make):
        @contextmanager
        def made(path):
            nonlocal writes
            writes += 1
            struck = writes >= AFTER_CHECKPOINTS.get(stage, 1)
            with make(path) as scratch:
                if struck:
                    strike(kind, "begun")
                yield scratch
                if struck:
                    strike(kind, "whole")

        return made

    files.whole_file, files.whole_directory = faulty(files.whole_file), faulty(files.whole_directory)


def keep_log(stage: str) -> None:
    """Where the test finds it: the stage may be made again later, and write another."""
    log = Path(str(sys.modules["__main__"].snakemake.log))
    with open(FAULTS / f"{stage}.log", "ab") as kept:
        kept.write(log.read_bytes())


def meet_fault(here: str) -> None:
    """What is left for this stage, before its module is imported."""
    make_room()
    if here in AFTER_CHECKPOINTS:
        atexit.register(keep_log, here)
    if fault := take_fault(here):
        print(f"sabotage: {here} will be {fault}", file=sys.stderr, flush=True)
        sabotage(here, fault)


if FAULTS.is_dir() and is_job(sys.orig_argv):
    from retort.running import call

    stage = call.stage

    def sabotaged(name: str):
        meet_fault(name)
        return stage(name)

    call.stage = sabotaged
