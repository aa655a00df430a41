"""Writes the same outputs over and over, and is killed while it does.

python -m tests.helpers.killed_writer FOLDER KILLS prints, as JSON, what stood in FOLDER after each of so many kills:
output -> the numbers found in it (those of one attempt are equal), and how many scratch files there were.
"""

import json
import os
import random
import signal
import sys
import time
from itertools import count
from pathlib import Path

from retort.base.files import read_json, whole_directory, whole_file, write_json
from retort.base.tensors import create_tensors, open_tensors

LINES, MEMBERS = 2000, 6


def write(folder: Path, number: int) -> None:
    """Every output, made of this number alone."""
    with whole_file(folder / "text.txt") as scratch, open(scratch, "w") as handle:
        for _ in range(LINES):
            handle.write(f"{number}\n")
    with whole_directory(folder / "directory") as scratch:
        for member in range(MEMBERS):
            (scratch / str(member)).mkdir()
            write_json(scratch / str(member) / "content.json", [number] * LINES)
    with create_tensors(folder / "tensors.safetensors", {"x": ((LINES,), "int64")}) as maps:
        for part in range(0, LINES, 100):
            maps["x"][part : part + 100] = number


def read(folder: Path) -> dict[str, list[int]]:
    """The numbers in every output that is there, as many as were written, or an error."""
    found = {}
    if (folder / "text.txt").exists():
        found["text"] = [int(line) for line in (folder / "text.txt").read_text().splitlines()]
        assert len(found["text"]) == LINES
    if (folder / "directory").exists():
        members = [read_json(folder / "directory" / str(i) / "content.json") for i in range(MEMBERS)]
        found["directory"] = [number for member in members for number in member]
        assert len(found["directory"]) == MEMBERS * LINES
    if (folder / "tensors.safetensors").exists():
        found["tensors"] = open_tensors(folder / "tensors.safetensors")["x"].tolist()
        assert len(found["tensors"]) == LINES
    return {name: sorted(set(numbers)) for name, numbers in found.items()}


def write_until_killed(folder: Path, first: int, after: float) -> None:
    child = os.fork()
    if child == 0:
        for number in count(first):
            write(folder, number)
    time.sleep(after)
    os.kill(child, signal.SIGKILL)
    _, status = os.waitpid(child, 0)
    assert os.WIFSIGNALED(status), "the writer ended by itself"


def main() -> None:
    folder, kills = Path(sys.argv[1]), int(sys.argv[2])
    began = time.perf_counter()
    write(folder, 0)
    longest = 3 * (time.perf_counter() - began)
    moments, states = random.Random(0), []
    for kill in range(kills):
        write_until_killed(folder, 1000 * (kill + 1), moments.uniform(0, longest))
        states.append({"found": read(folder), "scratch": sum(p.name.endswith(".part") for p in folder.iterdir())})
    print(json.dumps(states))


if __name__ == "__main__":
    main()
