"""Latent shards: which classes they hold, and reading them without loading them."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from retort.base.errors import Corrupt, RetortError
from retort.base.tensors import open_tensor, open_tensors
from retort.methods.moments import RunningMoments
from retort.models.health import REBUILD, check_finite, of_class

READ_AT_ONCE = 64


class LatentShards:
    """The latents of all classes behind one index, in class order; memory-mapped.

    Raises RetortError when a class is in none of the files, Corrupt when its latents are of another shape than others.
    """

    def __init__(self, paths: Sequence[str | Path], class_ids: Sequence[str]):
        maps = {name: (array, path) for path in paths for name, array in open_tensors(path).items()}
        if missing := [c for c in class_ids if latent_key(c) not in maps]:
            raise RetortError(f"the latent files {', '.join(map(str, paths))} lack the classes {', '.join(missing)}")
        self._class_ids, self._arrays, shape = list(class_ids), [], None
        for class_id in class_ids:
            self._arrays.append(_of_shape(*maps[latent_key(class_id)], class_id, shape))
            shape = self._arrays[0].shape[1:]
        self._ends = np.cumsum([len(a) for a in self._arrays])
        self.labels = np.repeat(np.arange(len(class_ids)), [len(a) for a in self._arrays])
        self.shape = shape

    def __call__(self, rows: np.ndarray) -> np.ndarray:
        """(n, C, H, W) float32 for row numbers (n,), in the order asked for. Raises RetortError as `finite` does."""
        classes = self.labels[rows]
        starts = np.concatenate([[0], self._ends])[classes]
        found = np.stack([self._arrays[c][r - s] for c, r, s in zip(classes, rows, starts, strict=True)])
        return finite(found, "the files of latents", *(self._class_ids[c] for c in classes))


def class_latents(path: str | Path, class_id: str, shape: tuple[int, int, int] | None = None) -> np.ndarray:
    """(n, C, H, W) latents of one class, memory-mapped, float32 or float16 as they are stored.

    Raises Corrupt when the file lacks them, or they are not of the `shape` (C, H, W) that is wanted.
    """
    return _of_shape(open_tensor(path, latent_key(class_id)), path, class_id, shape)


def _of_shape(found: np.ndarray, path: str | Path, class_id: str, shape: tuple[int, ...] | None) -> np.ndarray:
    if found.ndim != 4 or shape not in (None, found.shape[1:]):
        raise Corrupt(
            path, f"holds latents {found.shape[1:]} of class {class_id} where {shape or '(C, H, W)'} are wanted"
        )
    return found


def finite(latents: np.ndarray, path: str | Path, *class_ids: str) -> np.ndarray:
    """Latents (n, C, H, W) that were read, as float32 in memory; of one class, or of a class each.

    Raises RetortError naming the class of one that is not finite: they were when they were written.
    """
    found = np.array(latents, dtype=np.float32)
    names = of_class(class_ids) if len(class_ids) == len(found) else f"class {class_ids[0]}"
    check_finite(found, names, f"a latent in {path} is", REBUILD)
    return found


def class_mean(path: str | Path, class_id: str, shape: tuple[int, int, int]) -> np.ndarray:
    """(C, H, W) float32: the mean of the latents of one class, read a few at a time.

    Raises Corrupt as `class_latents` does, and RetortError as `finite` does.
    """
    held, moments = class_latents(path, class_id, shape), RunningMoments(shape)
    for first in range(0, len(held), READ_AT_ONCE):
        moments.add(finite(held[first : first + READ_AT_ONCE], path, class_id))
    return moments.mean.astype(np.float32)


def latents_of_rows(path: str | Path, class_id: str, rows: Sequence[int]) -> np.ndarray:
    """(n, C, H, W) float32 latents of the images of one class at these rows of the manifest's train split.

    Raises RetortError when the file was made before an image among them was there, and as `finite` does.
    """
    row_of = {int(row): i for i, row in enumerate(open_tensor(path, f"rows/{class_id}"))}
    if missing := [row for row in rows if int(row) not in row_of]:
        raise RetortError(f"{path} has no latent for row {missing[0]} of class {class_id}; delete it and run again")
    held = open_tensor(path, latent_key(class_id))
    return finite(np.stack([held[row_of[int(row)]] for row in rows]), path, class_id)


def latent_layout(class_id: str, images: int, shape: tuple[int, int, int], store: str) -> dict:
    """The tensors that one class takes in a shard: its latents, and each one's row in the manifest's train split."""
    return {latent_key(class_id): ((images, *shape), store), f"rows/{class_id}": ((images,), "int64")}


def latent_key(class_id: str) -> str:
    return f"latents/{class_id}"
