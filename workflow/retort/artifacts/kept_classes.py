"""What a job that works by classes or by batches keeps of what is done, so that a killed one resumes behind that."""

import hashlib
import shutil
from pathlib import Path

import numpy as np

from retort.base.errors import Corrupt
from retort.base.tensors import open_tensors, read_metadata, write_tensors
from retort.models.training_state import put_aside

LONGEST = 200  # bytes of a class id that names a file: a file that is being written has a longer name


class KeptClasses:
    """A folder with a file for each class, which outlives a failed job, whose output Snakemake deletes.

    What was left for another `purpose` is not used.
    """

    what = "class"  # what the job is done with one by one

    def __init__(self, folder: Path, purpose: str):
        self._folder, self._purpose = folder, purpose

    @classmethod
    def from_rule(cls, checkpoint: Path, purpose: str) -> "KeptClasses":
        """From what a rule names; see `retort.running.call`."""
        return cls(checkpoint, purpose)

    def tensors(self, class_id: str) -> dict[str, np.ndarray] | None:
        """What `keep` was given for a class, in memory; None where there is nothing, or nothing that can be used.

        A line says that it was there, or that it was corrupt and is put aside.
        """
        path = self._path(class_id)
        if not path.exists():
            return None
        try:
            if read_metadata(path).get("purpose") != self._purpose:
                return None
            # Copies: a network file system cannot remove a folder of files that are still mapped.
            found = {name: np.array(array) for name, array in open_tensors(path).items()}
        except Corrupt as error:
            put_aside(path, error)
            return None
        print(f"resuming: {self.what} {class_id} was done by an earlier attempt")
        return found

    def keep(self, class_id: str, tensors: dict[str, np.ndarray]) -> None:
        """Whole or not at all: a kill in between leaves nothing of this class."""
        write_tensors(self._path(class_id), tensors, {"purpose": self._purpose})

    def clear(self) -> None:
        """The output is written, so nothing of this is needed any more."""
        if self._folder.exists():
            shutil.rmtree(self._folder)

    def _path(self, class_id: str) -> Path:
        name = class_id if len(class_id.encode()) <= LONGEST else hashlib.sha256(class_id.encode()).hexdigest()
        return self._folder / f"{name}.safetensors"


class KeptBatches(KeptClasses):
    """The same for a job that works batch by batch, whose names stand in the place of classes."""

    what = "batch"
