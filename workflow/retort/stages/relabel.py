"""A teacher's labels for a distilled set, stored once for all students that use them."""

import hashlib
import json

import numpy as np
import torch
from tqdm import tqdm

from retort.data.manifest import read_classes
from retort.data.tensors import create_tensors, open_tensors, read_metadata, write_tensors
from retort.errors import RetortError
from retort.models.classifiers import normalised
from retort.models.pixels import to_images
from retort.models.teacher import load_teacher, logits_of
from retort.protocols.views import Views, ViewSettings, apply_views, plan_views
from retort.stages.distilled import read_set


def shared_view_words(seed: int, dataset: str) -> tuple:
    """Seed words of the views that stored and online labels share: the same for every student and its seeds."""
    return (seed, "views", dataset, "shared")


@torch.inference_mode()
def relabel(
    distilled: str,
    train: str,
    class_table: str,
    teacher: str,
    output: str,
    *,
    kind: str,
    views: ViewSettings | None,
    dataset: str,
    seed: int,
) -> None:
    """kind "static": logits (N, K) float16, one per image. kind "region": the logits of every view of every step,
    (P, K) float16, with the plan of each view beside it, streamed to disk.
    """
    classes = [c.id for c in read_classes(class_table)]
    pixels, labels = read_set(distilled, train)
    judge = load_teacher(teacher, classes)
    if kind == "static":
        logits = logits_of(judge, pixels).numpy().astype(np.float16)
        write_tensors(output, {"logits": logits}, _stamp(pixels, labels, None))
        return
    steps = views.total_steps(len(labels))
    places = views.extent(len(labels), steps - 1)[1]
    layout = {
        "logits": ((places, len(classes)), "float16"),
        "rows": ((places,), "int32"),
        "boxes": ((places, 4), "float32"),
        "flips": ((places,), "bool"),
        "partners": ((places,), "int32"),
        "cuts": ((steps, 4), "int16"),
    }
    device = next(judge.parameters()).device
    with create_tensors(output, layout, _stamp(pixels, labels, views)) as maps:
        for step in tqdm(range(steps), desc="labelling views", unit="step"):
            planned = plan_views(views, len(labels), pixels.shape[1], step, shared_view_words(seed, dataset))
            mixed = apply_views(to_images(pixels[planned.rows]).to(device), planned)
            place = slice(*views.extent(len(labels), step))
            maps["logits"][place] = judge(normalised(mixed)).float().cpu().numpy()
            maps["rows"][place], maps["boxes"][place] = planned.rows, planned.boxes
            maps["flips"][place], maps["partners"][place] = planned.flips, planned.partners
            maps["cuts"][step] = planned.cut


class StoredLabels:
    """Labels of a file that `relabel` wrote. Raises RetortError when it was written for another set or other views."""

    def __init__(self, path: str, pixels: np.ndarray, labels: np.ndarray, views: ViewSettings | None):
        if (found := read_metadata(path)) != (expected := _stamp(pixels, labels, views)):
            wrong = next(key for key in expected if found.get(key) != expected[key])
            raise RetortError(
                f"{path} holds labels for another {wrong} ({found.get(wrong)}, here {expected[wrong]}); "
                "delete it and run again"
            )
        self._maps, self._views, self._images = open_tensors(path), views, len(labels)

    def static(self) -> torch.Tensor:
        """(N, K) float32 logits, one per image."""
        return torch.from_numpy(self._maps["logits"].astype(np.float32))

    def views_at(self, step: int) -> Views:
        place = slice(*self._views.extent(self._images, step))
        planned = (np.array(self._maps[name][place]) for name in ("rows", "boxes", "flips", "partners"))
        return Views(*planned, np.array(self._maps["cuts"][step]))

    def logits_at(self, step: int) -> torch.Tensor:
        """(B, K) float32 teacher logits of the views of a step."""
        place = slice(*self._views.extent(self._images, step))
        return torch.from_numpy(self._maps["logits"][place].astype(np.float32))


def _stamp(pixels: np.ndarray, labels: np.ndarray, views: ViewSettings | None) -> dict[str, str]:
    """What stored labels belong to; of a large set 64 images, evenly spread, stand for all."""
    some = np.linspace(0, len(pixels) - 1, min(64, len(pixels))).astype(int)
    content = hashlib.sha256(labels.astype(np.int64).tobytes() + np.ascontiguousarray(pixels[some]).tobytes())
    return {"distilled set": content.hexdigest()[:16], "views": json.dumps(vars(views) if views else None)}
