"""Stored labels of a set: the logits of a teacher or the set's own, which views they are of, what they belong to."""

import hashlib
import json
import math
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from retort.base.errors import RetortError
from retort.base.files import sha256_of
from retort.base.tensors import Layout, open_tensors, read_metadata
from retort.evaluation.labels import Top, restored_logits
from retort.evaluation.placed import sent
from retort.evaluation.views import Views, ViewSettings
from retort.models.health import REBUILD, check_finite


def shared_view_words(seed: int, dataset: str) -> tuple:
    """Seed words of the views that stored and online labels share: the same for every student and its seeds."""
    return (seed, "views", dataset, "shared")


class StoredLabels:
    """Labels of a file that `relabel_set` or `import_labels` wrote.

    Raises RetortError when it is corrupt, or is not what is expected. Labels that are not finite are noticed when
    they are asked for; they were when they were written.

    expected: what `stamp_of` or `stamp_of_own` says of the labels that are wanted. views: None for static labels.
    """

    def __init__(self, path: str, expected: dict[str, str], views: ViewSettings | None, images: int, classes: int):
        found = read_metadata(path)
        if wrong := [key for key, value in expected.items() if found.get(key) != value]:
            key = wrong[0]
            raise RetortError(
                f"{path} holds labels {STAMP[key]} ({found.get(key)}, here {expected[key]}); delete it and run again"
            )
        self._path, self._maps, self._views = path, open_tensors(path), views
        self._images, self._classes = images, classes
        self._names = [name for name in ("logits", "classes", "rest") if name in self._maps]

    def static(self, device: torch.device) -> Tensor:
        """(N, K) float32 logits, one per image."""
        return self._logits(slice(None), device)

    def views_at(self, step: int) -> Views:
        place = self._place(step)
        planned = {name: np.array(self._maps[name][place]) for name in self._views.arrays()}
        shared = {name: np.array(self._maps[name][step]) for name in self._views.step_arrays()}
        return Views(**planned, **shared, side=self._views.side)

    def logits_at(self, step: int, device: torch.device) -> Tensor:
        """(B, K) float32 teacher logits of the views of a step."""
        return self._logits(self._place(step), device)

    def _place(self, step: int) -> slice:
        return slice(*self._views.extent(self._images, step))

    def _logits(self, place: slice, device: torch.device) -> Tensor:
        kept = {name: np.array(self._maps[name][place]) for name in self._names}
        first = place.start or 0
        check_finite(kept["logits"], lambda row: f"label {first + row}", f"what {self._path} holds is", REBUILD)
        return restored_logits(sent(kept, device), self._classes)


STAMP = {
    "distilled set": "of another distilled set",
    "teacher": "of another teacher",
    "views": "of other views",
    "kept": "of which something else was kept",
    "precision": "made in another precision",
}


def stamp_of(
    pixels: np.ndarray,
    labels: np.ndarray,
    teacher: str | Path,
    views: ViewSettings | None,
    top: Top | None,
    precision: str,
) -> dict[str, str]:
    """What stored labels belong to: keys of `STAMP`. Of a large set 64 images, evenly spread, stand for all."""
    files = [sha256_of(Path(teacher, name)) for name in ("teacher.json", "model.safetensors")]
    return {
        **stamp_of_own(pixels, labels),
        "teacher": hashlib.sha256("".join(files).encode()).hexdigest()[:16],
        "views": json.dumps(_settings(views) if views else None),
        "kept": json.dumps(vars(top) if top else "all"),
        "precision": precision,
    }


def stamp_of_own(pixels: np.ndarray, labels: np.ndarray) -> dict[str, str]:
    """The same of labels that a set brought: the set that they belong to."""
    some = np.linspace(0, len(pixels) - 1, min(64, len(pixels))).astype(int)
    content = hashlib.sha256(labels.astype(np.int64).tobytes() + np.ascontiguousarray(pixels[some]).tobytes())
    return {"distilled set": content.hexdigest()[:16]}


def _settings(views: ViewSettings) -> dict:
    """Without keys that are younger than stored labels, at their defaults."""
    return {key: value for key, value in vars(views).items() if (key, value) not in (("side", None), ("updates", None))}


def rows_of(arrays: Layout, rows: int) -> Layout:
    """The layout of so many rows of these arrays."""
    return {name: ((rows, *shape), dtype) for name, (shape, dtype) in arrays.items()}


def sizes_of(labels: Layout, plans: Layout) -> dict[str, str]:
    """Bytes of both, as metadata."""
    return {"label bytes": str(bytes_of(labels.values())), "view bytes": str(bytes_of(plans.values()))}


def bytes_of(tensors: Iterable[tuple[tuple[int, ...], str]]) -> int:
    """Bytes of tensors of these shapes and dtypes."""
    return sum(math.prod(shape) * np.dtype(dtype).itemsize for shape, dtype in tensors)
