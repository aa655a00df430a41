"""The bytes of a distilled set and of its labels, as they are stored: what one must be given to train on it."""

import zipfile
from pathlib import Path

from retort.artifacts.sets import MANIFEST
from retort.base.tables import read_table
from retort.base.tensors import open_tensors
from retort.data.stores import ARCHIVE


def image_bytes(directory: str | Path) -> int | None:
    """Bytes of the set's image files, in a folder and in an archive alike; None for the full set, which has none."""
    directory = Path(directory)
    files = read_table(directory / MANIFEST, ["file"], usecols=["file"], dtype=str, keep_default_na=False)["file"]
    if (files == "").all():
        return None
    if (archive := directory / ARCHIVE).is_file():
        with zipfile.ZipFile(archive) as opened:
            return sum(opened.getinfo(name).file_size for name in files)
    return sum((directory / name).stat().st_size for name in files)


def label_bytes(stored: str | Path | None, teacher: str | Path | None) -> int:
    """Bytes of what the labels of all students of a set are read from.

    Of stored labels, all that is kept of the logits, and the plan of the views that they are of. Of a teacher that is
    asked while students train (nothing is stored), its weights. 0 for hard labels, which the folders of the images say.
    """
    if stored:
        return sum(array.nbytes for array in open_tensors(stored).values())
    return Path(teacher, "model.safetensors").stat().st_size if teacher else 0
