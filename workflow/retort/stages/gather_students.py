"""The students of one (set, protocol, architecture) whose seeds were trained by jobs of their own, in one folder."""

import shutil
from collections.abc import Sequence
from pathlib import Path

from retort.base.files import whole_directory


def gather_students(parts: Sequence[str], output: str) -> None:
    """A directory as `train_students` writes it for all seeds, from one for each of them."""
    with whole_directory(output) as scratch:
        for part in parts:
            for record in sorted(Path(part).glob("*.json")):
                shutil.copyfile(record, scratch / record.name)
