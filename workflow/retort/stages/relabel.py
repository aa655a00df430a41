"""A teacher's labels for a distilled set, stored once for all students that use them."""

import hashlib
import json
import math
from collections.abc import Iterable, Iterator
from functools import partial
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from tqdm import tqdm

from retort.base.devices import tune_kernels
from retort.base.errors import RetortError
from retort.base.files import sha256_of
from retort.base.tensors import Layout, create_tensors, open_tensors, read_metadata, write_tensors
from retort.data.manifest import read_classes
from retort.models.classifiers import normalised
from retort.models.health import DAMAGED, check_finite
from retort.models.memory import spare_bytes
from retort.models.precision import logits_in
from retort.models.teacher import Teacher, check_kept, load_teacher, logits_of
from retort.protocols.augment import apply_views
from retort.protocols.image_rows import ImageRows
from retort.protocols.labels import Top, kept_labels, label_arrays, restored_logits
from retort.protocols.placed import sent
from retort.protocols.views import Views, ViewSettings, plan_views
from retort.stages.distilled import read_set


def shared_view_words(seed: int, dataset: str) -> tuple:
    """Seed words of the views that stored and online labels share: the same for every student and its seeds."""
    return (seed, "views", dataset, "shared")


@torch.inference_mode()
def relabel(
    distilled: str,
    train: str | None,
    class_table: str,
    teacher: str,
    output: str,
    *,
    kind: str,
    views: ViewSettings | None,
    top: Top | None,
    dataset: str,
    seed: int,
    precision: str = "float32",
    readers: int = 1,
) -> None:
    """kind "static": labels of every image. kind "region": labels of all P views of every step, with the plan of each
    view beside them, streamed to disk. `protocols.labels` says what is kept of K logits. precision: see `logits_in`.
    readers: processes that read the set, see `stream_set`.

    The metadata say what the labels belong to, and how many bytes are labels and how many are plans of views. Raises
    RetortError naming class, image and step of a label that float16 does not hold.
    """
    classes = [c.id for c in read_classes(class_table)]
    pixels, labels = read_set(distilled, train, threads=readers)
    judge = load_teacher(teacher, classes)
    about = stamp_of(pixels, labels, teacher, None if kind == "static" else views, top, precision)
    arrays = label_arrays(len(classes), top)

    def whose(image: int) -> str:
        return f"class {classes[labels[image]]}, image {image} of {distilled}"

    if kind == "static":
        about |= _sizes(_layout(arrays, len(labels)), {})
        bar = partial(tqdm, desc="labelling", unit="batch")
        logits = logits_of(judge, pixels, progress=bar, precision=precision)
        kept = {name: array.numpy() for name, array in kept_labels(logits, top).items()}
        check_kept(kept["logits"], whose)
        write_tensors(output, kept, about)
        _report(about, len(labels), len(classes))
        return
    steps = views.total_steps(len(labels))
    places = views.extent(len(labels), steps - 1)[1]
    layout = _layout(arrays, places)
    plans = _layout(views.arrays(), places) | _layout(views.step_arrays(), steps)
    about |= _sizes(layout, plans)
    words = shared_view_words(seed, dataset)
    planned = (plan_views(views, len(labels), pixels.shape[1], step, words) for step in range(steps))
    with create_tensors(output, layout | plans, about) as maps:
        seen = _seen(judge, pixels, planned, views, precision)
        for step, (plan, logits) in zip(tqdm(range(steps), desc="labelling views", unit="step"), seen, strict=True):
            place = slice(*views.extent(len(labels), step))
            for name, array in kept_labels(logits, top).items():
                maps[name][place] = array.cpu().numpy()
            check_kept(maps["logits"][place], [f"{whose(row)}, step {step}" for row in plan.rows].__getitem__)
            for name in views.arrays():
                maps[name][place] = getattr(plan, name)
            for name in views.step_arrays():
                maps[name][step] = getattr(plan, name)
    _report(about, places, len(classes))


def _seen(
    judge: Teacher, pixels: np.ndarray, planned: Iterable[Views], views: ViewSettings, precision: str
) -> Iterator[tuple[Views, Tensor]]:
    """Each plan, and the teacher's logits (B, K) of its views."""
    device, side, batch = next(judge.parameters()).device, pixels.shape[1], views.batch_of(len(pixels))
    images = ImageRows(pixels, device, spare_bytes(device, judge, side, [(batch, precision, False)]))
    tune_kernels(views.all_alike(len(pixels)))
    for plan, there, shown in images.of_views(planned):
        yield plan, logits_in(judge, normalised(apply_views(shown, there)), precision)


class StoredLabels:
    """Labels of a file that `relabel` wrote. Raises RetortError when it is damaged, or is not what is expected.

    Labels that are not finite are noticed when they are asked for; they were when they were written.

    expected: what `stamp_of` says of the labels that are wanted. views: None for static labels.
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
        check_finite(kept["logits"], lambda row: f"label {first + row}", f"what {self._path} holds is", DAMAGED)
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
    some = np.linspace(0, len(pixels) - 1, min(64, len(pixels))).astype(int)
    content = hashlib.sha256(labels.astype(np.int64).tobytes() + np.ascontiguousarray(pixels[some]).tobytes())
    files = [sha256_of(Path(teacher, name)) for name in ("teacher.json", "model.safetensors")]
    return {
        "distilled set": content.hexdigest()[:16],
        "teacher": hashlib.sha256("".join(files).encode()).hexdigest()[:16],
        "views": json.dumps(_settings(views) if views else None),
        "kept": json.dumps(vars(top) if top else "all"),
        "precision": precision,
    }


def _settings(views: ViewSettings) -> dict:
    """Without the side of views that are as large as the set's images, which labels from before there was one lack."""
    return {key: value for key, value in vars(views).items() if (key, value) != ("side", None)}


def _layout(arrays: Layout, rows: int) -> Layout:
    return {name: ((rows, *shape), dtype) for name, (shape, dtype) in arrays.items()}


def _sizes(labels: Layout, plans: Layout) -> dict[str, str]:
    """Bytes of both, as metadata."""
    return {"label bytes": str(_bytes(labels.values())), "view bytes": str(_bytes(plans.values()))}


def _bytes(tensors: Iterable[tuple[tuple[int, ...], str]]) -> int:
    return sum(math.prod(shape) * np.dtype(dtype).itemsize for shape, dtype in tensors)


def _report(about: dict[str, str], places: int, classes: int) -> None:
    size, full = int(about["label bytes"]), places * _bytes(label_arrays(classes, None).values())
    print(
        f"{places:,} labels of {classes:,} classes: {size:,} bytes ({size / full:.1%} of all logits as float16), "
        f"and {int(about['view bytes']):,} bytes for how each view was made"
    )
