"""A teacher's labels for a distilled set, stored once for all students that use them."""

from collections.abc import Iterable, Iterator
from functools import partial

import numpy as np
import torch
from torch import Tensor
from tqdm import tqdm

from retort.artifacts.labels import bytes_of, rows_of, shared_view_words, sizes_of, stamp_of
from retort.artifacts.sets import read_set
from retort.base.devices import tune_kernels
from retort.base.tensors import create_tensors, write_tensors
from retort.data.manifest import read_classes
from retort.evaluation.augment import apply_views
from retort.evaluation.image_rows import ImageRows
from retort.evaluation.labels import Top, kept_labels, label_arrays
from retort.evaluation.views import Views, ViewSettings, plan_views
from retort.models.classifiers import normalised
from retort.models.memory import spare_bytes
from retort.models.precision import logits_in
from retort.models.teacher import Teacher, check_kept, load_teacher, logits_of


@torch.inference_mode()
def relabel_set(
    distilled: str,
    train: str | None,
    class_table: str,
    teacher: str,
    labels: str,
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
    view beside them, streamed to disk. `evaluation.labels` says what is kept of K logits. precision: see `logits_in`.
    readers: processes that read the set, see `stream_set`.

    The metadata say what the labels belong to, and how many bytes are labels and how many are plans of views. Raises
    RetortError naming class, image and step of a label that float16 does not hold.
    """
    classes = [c.id for c in read_classes(class_table)]
    pixels, class_indices = read_set(distilled, train, threads=readers)
    judge = load_teacher(teacher, classes)
    metadata = stamp_of(pixels, class_indices, teacher, None if kind == "static" else views, top, precision)
    arrays = label_arrays(len(classes), top)

    def name_of(image: int) -> str:
        return f"class {classes[class_indices[image]]}, image {image} of {distilled}"

    if kind == "static":
        metadata |= sizes_of(rows_of(arrays, len(class_indices)), {})
        bar = partial(tqdm, desc="labelling", unit="batch")
        logits = logits_of(judge, pixels, progress=bar, precision=precision)
        kept = {name: array.numpy() for name, array in kept_labels(logits, top).items()}
        check_kept(kept["logits"], name_of)
        write_tensors(labels, kept, metadata)
        _report(metadata, len(class_indices), len(classes))
        return
    steps = views.total_steps(len(class_indices))
    count = views.total_views(len(class_indices))
    layout = rows_of(arrays, count)
    plans = rows_of(views.arrays(), count) | rows_of(views.step_arrays(), steps)
    metadata |= sizes_of(layout, plans)
    words = shared_view_words(seed, dataset)
    planned = (plan_views(views, len(class_indices), pixels.shape[1], step, words) for step in range(steps))
    with create_tensors(labels, layout | plans, metadata) as maps:
        seen = _seen(judge, pixels, planned, views, precision)
        for step, (plan, logits) in zip(tqdm(range(steps), desc="labelling views", unit="step"), seen, strict=True):
            rows = slice(*views.extent(len(class_indices), step))
            for name, array in kept_labels(logits, top).items():
                maps[name][rows] = array.cpu().numpy()
            check_kept(maps["logits"][rows], [f"{name_of(row)}, step {step}" for row in plan.rows].__getitem__)
            for name in views.arrays():
                maps[name][rows] = getattr(plan, name)
            for name in views.step_arrays():
                maps[name][step] = getattr(plan, name)
    _report(metadata, count, len(classes))


def _seen(
    judge: Teacher, pixels: np.ndarray, planned: Iterable[Views], views: ViewSettings, precision: str
) -> Iterator[tuple[Views, Tensor]]:
    """Each plan, and the teacher's logits (B, K) of its views."""
    device, side, batch = next(judge.parameters()).device, pixels.shape[1], views.batch_of(len(pixels))
    images = ImageRows(pixels, device, spare_bytes(device, judge, side, [(batch, precision, False)]))
    tune_kernels(views.all_alike(len(pixels)))
    for plan, there, shown in images.of_views(planned):
        yield plan, logits_in(judge, normalised(apply_views(shown, there)), precision)


def _report(metadata: dict[str, str], count: int, classes: int) -> None:
    size, full = int(metadata["label bytes"]), count * bytes_of(label_arrays(classes, None).values())
    print(
        f"{count:,} labels of {classes:,} classes: {size:,} bytes ({size / full:.1%} of all logits as float16), "
        f"and {int(metadata['view bytes']):,} bytes for how each view was made"
    )
