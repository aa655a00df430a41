"""Records of students: a folder of one JSON file a seed for each (set, protocol, architecture)."""

import shutil
from collections.abc import Sequence
from pathlib import Path

from tqdm import tqdm

from retort.base.files import read_json, whole_directory

CELL = ["dataset", "method", "ipc", "protocol", "student"]  # what names a row of every table of students


def student_files(folders: Sequence[str | Path]) -> list[Path]:
    """The records of all students in these folders, one JSON a seed, in their order; a record stands for itself."""
    return [file for path in map(Path, folders) for file in ([path] if path.is_file() else sorted(path.glob("*.json")))]


def read_students(folders: Sequence[str | Path]) -> list[dict]:
    """The records in these folders, in their order."""
    return [read_json(path) for path in tqdm(student_files(folders), desc="reading", unit="student")]


def gather_students(parts: Sequence[str], output: str) -> None:
    """A directory as `train_students` writes it for all seeds, from one for each of them."""
    with whole_directory(output) as scratch:
        for record in student_files(parts):
            shutil.copyfile(record, scratch / record.name)
