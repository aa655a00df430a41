"""Train the students of one (set, protocol, architecture), one per seed, in one process."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from retort.config.devices import pick_device
from retort.data.files import write_json
from retort.data.manifest import read_classes
from retort.models.teacher import load_teacher
from retort.protocols.losses import hard_loss, mixed_targets, soft_loss, soft_target_loss, to_half_and_back
from retort.protocols.student import ImageSet, Recipe, train_student
from retort.protocols.views import Views, ViewSettings, plan_views
from retort.stages.decode import open_split
from retort.stages.distilled import read_set
from retort.stages.relabel import StoredLabels, shared_view_words

ViewsAt = Callable[[int], Views]
LossOf = Callable[[int, Views, Tensor, Tensor], Tensor]


@dataclass(frozen=True)
class Labelling:
    """How students learn their labels: "hard", or a teacher's kind ("region", "static", "online")."""

    kind: str
    temperature: float
    stored: str | None = None
    teacher: str | None = None


def train_students(
    distilled: str,
    train: str,
    val: str,
    class_table: str,
    outputs: Sequence[str],
    *,
    about: dict,
    arch: str,
    views: ViewSettings,
    recipe: Recipe,
    labelling: Labelling,
    dataset: str,
    seed: int,
) -> None:
    """One JSON per student, in order of the outputs: `about`, its seed, and what `train_student` measured.

    Student i has the same initial weights for every distilled set, and with hard labels the same stream of draws,
    so that sets can be compared seed by seed.
    """
    classes = [c.id for c in read_classes(class_table)]
    images, test = ImageSet(*read_set(distilled, train)), ImageSet(*open_split(val))
    for index, output in enumerate(outputs):
        own_words = (seed, "views", dataset, index)
        views_at, loss_of = _labels(labelling, images, views, classes, own_words, shared_view_words(seed, dataset))
        words = (seed, "student", dataset, arch, index)
        name = f"{about['method']} ipc {about['ipc']} {about['protocol']} {arch} seed {index}"
        result = train_student(images, test, arch, views, recipe, views_at, loss_of, words, name)
        write_json(output, about | {"seed": index} | result)
        print(f"{name}: last {result['last']['top1']:.4f} best {result['best']['top1']:.4f}")


def _labels(
    labelling: Labelling,
    images: ImageSet,
    views: ViewSettings,
    classes: list[str],
    own_words: tuple,
    shared_words: tuple,
) -> tuple[ViewsAt, LossOf]:
    """Where views and losses come from, for each kind of label."""
    device, side = pick_device(), images.pixels.shape[1]
    targets = torch.from_numpy(images.labels).to(device)
    temperature = labelling.temperature

    def planned(words: tuple) -> ViewsAt:
        return lambda step: plan_views(views, len(images.labels), side, step, words)

    def rows_of(batch: Views) -> tuple[Tensor, Tensor]:
        return torch.from_numpy(batch.rows).long().to(device), torch.from_numpy(batch.partners).long().to(device)

    def hard(step: int, batch: Views, mixed: Tensor, logits: Tensor) -> Tensor:
        rows, partners = rows_of(batch)
        return hard_loss(logits, targets[rows], partners, batch.kept(side))

    if labelling.kind == "hard":
        return planned(own_words), hard
    if labelling.kind == "online":
        judge = load_teacher(labelling.teacher, classes)

        def online(step: int, batch: Views, mixed: Tensor, logits: Tensor) -> Tensor:
            with torch.no_grad():
                labels = to_half_and_back(judge(mixed))
            return soft_loss(logits, labels, temperature)

        return planned(shared_words), online
    if labelling.kind == "static":
        one_each = StoredLabels(labelling.stored, images.pixels, images.labels, None).static().to(device)

        def static(step: int, batch: Views, mixed: Tensor, logits: Tensor) -> Tensor:
            rows, partners = rows_of(batch)
            return soft_target_loss(
                logits, mixed_targets(one_each[rows], partners, batch.kept(side), temperature), temperature
            )

        return planned(own_words), static
    stored = StoredLabels(labelling.stored, images.pixels, images.labels, views)

    def region(step: int, batch: Views, mixed: Tensor, logits: Tensor) -> Tensor:
        return soft_loss(logits, stored.logits_at(step).to(device), temperature)

    return stored.views_at, region
