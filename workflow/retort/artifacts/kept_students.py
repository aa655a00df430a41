"""What a job that trains several students keeps of those it is done with, and of the one it is at."""

import json
import shutil
from pathlib import Path

from retort.base.files import write_json
from retort.models.training_state import Checkpoint, put_aside


class KeptStudents:
    """A folder of records and states that outlives a failed job, whose output Snakemake deletes.

    What was left for another `purpose` is not resumed. seconds: see `Checkpoint`.
    """

    def __init__(self, folder: Path, purpose: str, seconds: float):
        self._folder, self._purpose, self._seconds = folder, purpose, seconds

    @classmethod
    def from_rule(cls, checkpoint: Path, purpose: str, checkpoint_seconds: float) -> "KeptStudents":
        """From what a rule names; see `retort.running.call`."""
        return cls(checkpoint, purpose, checkpoint_seconds)

    def record(self, seed: int) -> dict | None:
        """What `keep` was given for a seed; None where there is nothing, or nothing to resume."""
        path = self._record_path(seed)
        if not path.exists():
            return None
        try:
            content = json.loads(path.read_text(encoding="utf-8"))
            return content["record"] if content["purpose"] == self._purpose else None
        except (ValueError, KeyError, TypeError) as error:
            put_aside(path, error)
            return None

    def keep(self, seed: int, record: dict) -> None:
        write_json(self._record_path(seed), {"purpose": self._purpose, "record": record})
        self.checkpoint(seed).clear()

    def checkpoint(self, seed: int) -> Checkpoint:
        """Where the training of a seed leaves its state."""
        return Checkpoint(self._folder / f"{seed}.safetensors", self._purpose, self._seconds)

    def clear(self) -> None:
        """The output is written, so nothing of this is needed any more."""
        if self._folder.exists():
            shutil.rmtree(self._folder)

    def _record_path(self, seed: int) -> Path:
        return self._folder / f"{seed}.json"
