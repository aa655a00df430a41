"""What networks said of every training image after each epoch of their training, and those networks themselves."""

from pathlib import Path

import numpy as np

from retort.base.tensors import open_tensor, open_tensors
from retort.models.health import REBUILD, check_finite
from retort.parts.difficulties import Lessons


def epoch_directory(training: str | Path, epoch: int) -> Path:
    """Where the network after an epoch, counted from 1, lies in the directory of a training, as a teacher does."""
    return Path(training, f"epoch{epoch:04d}")


def lessons_layout(class_id: str, images: int, runs: int, epochs: int, classes: int) -> dict:
    """The tensors of one class in a shard: logits, norms of features, and each image's row in the train split."""
    return {
        _logits(class_id): ((runs, epochs, images, classes), "float16"),
        _norms(class_id): ((runs, epochs, images), "float32"),
        _rows(class_id): ((images,), "int64"),
    }


def fill_lessons(maps: dict, class_id: str, run: int, epoch: int, first: int, logits: np.ndarray, norms: np.ndarray):
    """Put what the network of a run after an epoch, both counted from 0, said of images from `first` on in place."""
    rows = slice(first, first + len(logits))
    maps[_logits(class_id)][run, epoch, rows], maps[_norms(class_id)][run, epoch, rows] = logits, norms


def fill_rows(maps: dict, class_id: str, rows: np.ndarray) -> None:
    maps[_rows(class_id)][:] = rows


def has_lessons(path: str | Path, class_id: str) -> bool:
    """Whether a file says how the images of a class were learned, and not what an encoder or a teacher sees in them."""
    return _logits(class_id) in open_tensors(path)


def class_lessons(path: str | Path, class_id: str, label: int) -> tuple[Lessons, np.ndarray]:
    """What was said of the images of one class, memory-mapped, and (n,) their rows of the train split.

    Raises RetortError naming the class where it is not finite, as it was when it was written.
    """
    logits, norms = open_tensor(path, _logits(class_id)), np.array(open_tensor(path, _norms(class_id)))
    of = (f"class {class_id}", f"what {path} says of an image is", REBUILD)
    for epochs in logits:
        for said in epochs:
            check_finite(said, *of)
    check_finite(norms, *of)
    rows = np.array(open_tensor(path, _rows(class_id)))
    return Lessons(logits, norms, np.full(len(rows), label)), rows


def _logits(class_id: str) -> str:
    return f"said/{class_id}"


def _norms(class_id: str) -> str:
    return f"norms/{class_id}"


def _rows(class_id: str) -> str:
    return f"rows/{class_id}"
