"""Train the students of one (set, protocol, architecture), one per seed, in one process."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from retort.artifacts.kept_students import KeptStudents
from retort.artifacts.labels import StoredLabels, shared_view_words, stamp_of, stamp_of_own
from retort.artifacts.pixels import open_split
from retort.artifacts.sets import read_set
from retort.artifacts.stored_bytes import image_bytes, label_bytes
from retort.artifacts.students import gather_students
from retort.base.devices import pick_device
from retort.base.files import read_json, whole_directory, write_json
from retort.data.manifest import read_classes
from retort.evaluation.augment import apply_views
from retort.evaluation.image_rows import ImageRows
from retort.evaluation.labels import Top, kept_labels, restored_logits
from retort.evaluation.losses import hard_loss, mixed_targets, soft_loss, soft_target_loss
from retort.evaluation.placed import placed
from retort.evaluation.student import ImageSet, LossOf, Recipe, train_student
from retort.evaluation.views import Views, ViewSettings, plan_views
from retort.models.classifiers import normalised
from retort.models.health import LossLost
from retort.models.precision import logits_in
from retort.models.teacher import Teacher, check_kept, load_teacher

ViewsAt = Callable[[int], Views]
LossAt = Callable[[int, Views, Tensor], LossOf]


@dataclass(frozen=True)
class Labelling:
    """How students learn their labels: "hard", "own" (those that the set brought), or a teacher's kind ("region",
    "static", "online").

    temperature: of any kind but "hard". teacher: the teacher's directory. stored: the file of region, static and own
    labels. top: what is kept of a label, also of one that is made online; None for all of it. precision: in which the
    teacher computes. own_views: whether, online, each student sees views of its own.
    """

    kind: str
    temperature: float | None = None
    stored: str | None = None
    teacher: str | None = None
    top: Top | None = None
    precision: str = "float32"
    own_views: bool = False

    @classmethod
    def from_rule(
        cls, labelling: dict, top: Top | None, labels: str | None = None, teacher: str | None = None
    ) -> "Labelling":
        """From what a rule names; see `retort.running.call`."""
        return cls(**labelling, stored=labels, teacher=teacher, top=top)


def train_students(
    distilled: str,
    train: str | None,
    val: str,
    class_table: str,
    students: str,
    kept: KeptStudents,
    *,
    seeds: Sequence[int],
    row: dict,
    student: str,
    views: ViewSettings,
    recipe: Recipe,
    labelling: Labelling,
    dataset: str,
    seed: int,
    readers: int = 1,
    parts: Sequence[str] = (),
) -> None:
    """A directory with one JSON per student, <seed>.json: `row`, the architecture of the labelling teacher (None where
    there is none), the bytes of the set's images and labels (`stored_bytes`), the student's seed, and what
    `train_student` measured.

    parts: the same of single seeds, which are only gathered, where each seed has a job of its own. What an interrupted
    job has `kept` is not trained again. readers: processes that read the set, see `stream_set`.

    Student i has the same initial weights for every distilled set, and the same stream of draws (with a teacher's
    labels of views that of all students, unless each has its own), so that sets can be compared seed by seed.
    """
    if parts:
        gather_students(parts, students)
        return
    classes = [c.id for c in read_classes(class_table)]
    images, test = ImageSet(*read_set(distilled, train, threads=readers)), ImageSet(*open_split(val))
    row = row | {"teacher_arch": _architecture(labelling.teacher), **_bytes(distilled, labelling)}
    records = []
    for index in seeds:
        name = f"{row['method']} ipc {row['ipc']} {row['protocol']} {student} seed {index}"
        if (result := kept.record(index)) is None:
            own_words = (seed, "views", dataset, index)
            views_at, loss_at = _labels(labelling, images, views, classes, own_words, shared_view_words(seed, dataset))
            words = (seed, "student", dataset, student, index)
            left = kept.checkpoint(index)
            try:
                result = train_student(images, test, student, views, recipe, views_at, loss_at, words, name, left)
            except LossLost as lost:
                if labelling.kind == "online":
                    _check_online(labelling, images, classes, views_at(lost.step - 1), f"{name}, step {lost.step}")
                raise
            kept.keep(index, result)
        records.append(row | {"seed": index} | result)
        print(f"{name}: last {result['last']['top1']:.4f} best {result['best']['top1']:.4f}")
    with whole_directory(students) as scratch:
        for record in records:
            write_json(scratch / f"{record['seed']}.json", record)
    kept.clear()


def _architecture(teacher: str | None) -> str | None:
    return read_json(Path(teacher, "teacher.json"))["arch"] if teacher else None


def _bytes(distilled: str, labelling: Labelling) -> dict[str, int | None]:
    return {
        "image_bytes": image_bytes(distilled),
        "label_bytes": label_bytes(labelling.stored, labelling.teacher),
    }


def _labels(
    labelling: Labelling,
    images: ImageSet,
    views: ViewSettings,
    classes: list[str],
    own_words: tuple,
    shared_words: tuple,
) -> tuple[ViewsAt, LossAt]:
    """Where views and losses come from, for each kind of label."""
    device, count, whole = pick_device(), len(images.labels), images.pixels.shape[1]
    side = views.side_of(whole)

    def planned(words: tuple) -> ViewsAt:
        return lambda step: plan_views(views, count, whole, step, words)

    if labelling.kind == "hard":
        return planned(own_words), _hard(torch.from_numpy(images.labels).to(device), side)
    if labelling.kind == "online":
        return planned(own_words if labelling.own_views else shared_words), _online(labelling, classes)
    one_each = labelling.kind in ("static", "own")
    labelled_views = None if one_each else views
    if labelling.kind == "own":
        expected = stamp_of_own(images.pixels, images.labels)
    else:
        of_labels = labelling.teacher, labelled_views, labelling.top, labelling.precision
        expected = stamp_of(images.pixels, images.labels, *of_labels)
    stored = StoredLabels(labelling.stored, expected, labelled_views, count, len(classes))
    if one_each:
        return planned(own_words), _static(stored.static(device), side, labelling.temperature)
    return stored.views_at, _region(stored, device, labelling.temperature)


def _hard(targets: Tensor, side: int) -> LossAt:
    def loss_at(step: int, batch: Views, mixed: Tensor) -> LossOf:
        rows, partners = _rows_of(batch, mixed.device)
        own, others = targets[rows], targets[rows[partners]]
        return lambda logits, part: hard_loss(logits, own[part], others[part], batch.kept(side))

    return loss_at


def _online(labelling: Labelling, classes: list[str]) -> LossAt:
    judge = load_teacher(labelling.teacher, classes)

    def loss_at(step: int, batch: Views, mixed: Tensor) -> LossOf:
        return _soft(restored_logits(_kept_online(judge, mixed, labelling), len(classes)), labelling.temperature)

    return loss_at


@torch.no_grad()
def _kept_online(judge: Teacher, mixed: Tensor, labelling: Labelling) -> dict[str, Tensor]:
    """As they would be stored, so that stored labels train the same students."""
    return kept_labels(logits_in(judge, mixed, labelling.precision), labelling.top)


def _check_online(labelling: Labelling, images: ImageSet, classes: list[str], batch: Views, where: str) -> None:
    """Raises RetortError naming the class of a view for which the teacher, not the student, left the finite numbers."""
    judge, rows = load_teacher(labelling.teacher, classes), ImageRows(images.pixels, pick_device())
    labels = _kept_online(judge, normalised(apply_views(rows[batch.rows], batch)), labelling)
    check_kept(labels["logits"], lambda view: f"{where}, class {classes[images.labels[batch.rows[view]]]}")


def _static(one_each: Tensor, side: int, temperature: float) -> LossAt:
    def loss_at(step: int, batch: Views, mixed: Tensor) -> LossOf:
        rows, partners = _rows_of(batch, mixed.device)
        targets = mixed_targets(one_each[rows], partners, batch.kept(side), temperature)
        return lambda logits, part: soft_target_loss(logits, targets[part], temperature)

    return loss_at


def _region(stored: StoredLabels, device: torch.device, temperature: float) -> LossAt:
    return lambda step, batch, mixed: _soft(stored.logits_at(step, device), temperature)


def _soft(labels: Tensor, temperature: float) -> LossOf:
    return lambda logits, part: soft_loss(logits, labels[part], temperature)


def _rows_of(batch: Views, device: torch.device) -> tuple[Tensor, Tensor]:
    there = placed(batch, device)
    return there.rows.long(), there.partners.long()
