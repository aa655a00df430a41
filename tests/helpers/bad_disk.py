"""Writing where there is no room or no permission, in a process of its own.

python -m tests.helpers.bad_disk STATE HOW prints, as JSON, for every writer the error that came up, whether it came to
filling in what it made room for, and what stands there afterwards. STATE: "full" or "read-only". HOW: "mounted", a
small disk of its own, which takes a process that may mount (see `ways`); or "limited", the same by a limit or by
permissions.
"""

import errno
import json
import os
import resource
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

from retort.base.files import whole_directory, whole_file, write_json, write_rows
from retort.base.tensors import create_tensors

ROOM, TOO_MUCH, NOBODY = 2**20, 2**22, 65534
APART = ["unshare", "--map-root-user", "--mount"]  # in a namespace of mounts of its own


def ways() -> list[str]:
    """How a bad disk can be had here."""
    with tempfile.TemporaryDirectory() as folder:
        try:
            mounted = subprocess.run([*APART, "mount", "-t", "tmpfs", "none", folder], capture_output=True).returncode
        except FileNotFoundError:
            mounted = 1
    return ["limited", *(["mounted"] if mounted == 0 else [])]


def write_on(state: str, how: str) -> dict[str, dict]:
    """What this module prints."""
    command = [*(APART if how == "mounted" else []), sys.executable, "-m", "tests.helpers.bad_disk", state, how]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, f"ended with {done.returncode}: {done.stderr}"
    return json.loads(done.stdout)


def write_file(path: Path, size: int, filling: Callable[[], None]) -> None:
    with whole_file(path) as scratch, open(scratch, "wb") as handle:
        filling()
        handle.write(bytes(size))


def write_directory(path: Path, size: int, filling: Callable[[], None]) -> None:
    with whole_directory(path) as scratch:
        filling()
        (scratch / "member").write_bytes(bytes(size))


def write_tensors(path: Path, size: int, filling: Callable[[], None]) -> None:
    with create_tensors(path, {"x": ((size,), "uint8")}) as maps:
        filling()
        maps["x"][:] = 1


def write_text(path: Path, size: int, filling: Callable[[], None]) -> None:
    write_json(path, "x" * size)


def write_table(path: Path, size: int, filling: Callable[[], None]) -> None:
    write_rows(path, ["x"], ({"x": "x" * 1000} for _ in range(size // 1000)))


WRITERS = {
    "file": write_file, "directory": write_directory, "tensors": write_tensors, "json": write_text, "rows": write_table,
}  # fmt: skip


def contents(folder: Path) -> dict[str, int]:
    return {file.relative_to(folder).as_posix(): file.stat().st_size for file in folder.rglob("*") if file.is_file()}


def attempt(write: Callable, path: Path) -> dict:
    filled = []
    try:
        write(path, TOO_MUCH, lambda: filled.append(True))
    except OSError as error:
        return {"error": errno.errorcode[error.errno], "filled": bool(filled)}
    return {"error": None, "filled": bool(filled)}


def spoil(folder: Path, state: str, how: str) -> None:
    if (state, how) == ("read-only", "mounted"):
        subprocess.run(["mount", "-o", "remount,ro", folder], check=True)
    if (state, how) == ("full", "limited"):
        resource.setrlimit(resource.RLIMIT_FSIZE, (ROOM, ROOM))
    if (state, how) == ("read-only", "limited"):
        folder.chmod(0o555)
        os.seteuid(NOBODY if os.getuid() == 0 else os.getuid())


def main() -> None:
    state, how = sys.argv[1:]
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        if how == "mounted":
            subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={ROOM}", "none", folder], check=True)
        for kind, write in WRITERS.items():
            write(folder / kind, 1000, lambda: None)
        before = contents(folder)
        spoil(folder, state, how)
        told = {kind: attempt(write, folder / kind) for kind, write in WRITERS.items()}
        print(json.dumps({"outcomes": told, "before": before, "after": contents(folder)}))
        os.seteuid(os.getuid())
        folder.chmod(0o755) if how == "limited" else subprocess.run(["umount", folder], check=True)


if __name__ == "__main__":
    main()
