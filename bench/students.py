"""Students by soft labels: stored once and shown in batches, against the reference's loop (RDED) at equal epochs.

Digits at 32 px, 10 random images of each class, resnet8 as teacher and student; one test, after the last step. The
plain loop crops and normalises image by image as RDED's loader does, in this process where RDED's has others; it asks
the teacher in every step, shows the student every batch twice, once for the log, which waits for both results, and lays
images out as torch does by default. Both sides hold their images decoded, and share initial weights, crops and CutMix.
Labelling, which all students of a set share, is timed beside and not counted.

Crops of a loader are whole pixels, and stored labels are rounded, so that students part ways as those of other seeds
do: equal is a mean accuracy within two standard errors of a difference between as many seeds.
"""

import sys
import tempfile
from contextlib import redirect_stdout
from functools import partial
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torchvision.transforms import functional as loader

from bench.digits import CLASSES, SIDE, prepare
from bench.limits import flops, matmul_peak
from bench.rows import Row, in_turn, timed
from retort.artifacts.labels import StoredLabels, shared_view_words
from retort.artifacts.pixels import open_split
from retort.artifacts.sets import read_set
from retort.base.devices import pick_device
from retort.base.seeds import derive_seed
from retort.evaluation.augment import mix
from retort.evaluation.image_rows import ImageRows
from retort.evaluation.losses import correct_at, soft_loss
from retort.evaluation.optimisers import build_optimizer, lr_factor
from retort.evaluation.student import ImageSet, Recipe, evaluate, train_student
from retort.evaluation.views import ViewSettings, plan_views
from retort.models.classifiers import IMAGENET_MEAN, IMAGENET_STD, build_classifier
from retort.models.teacher import load_teacher
from retort.stages.evaluation.relabel_set import relabel_set

ARCH, IPC, TEMPERATURE = "resnet8", 10, 20.0
ADAMW = Recipe("adamw", lr=0.005, momentum=None, weight_decay=0.01, schedule="half-cosine", evaluations=1)
NOISE = {True: 0.009, False: 0.036}
"""Standard deviation of top-1 between seeds, by `full`; of five and of eight students by stored labels."""


def measure(full: bool) -> list[Row]:
    students, steps, batch, taught = (3, 200, 50, 150) if full else (1, 120, 25, 60)
    views = ViewSettings(batch=batch, crop=(0.5, 1.0), flip=False, cutmix=1.0, steps=steps)
    with tempfile.TemporaryDirectory() as folder, redirect_stdout(sys.stderr):
        home = Path(folder)
        prepare(home, IPC, ARCH, taught)
        labelling, _ = timed(lambda: label(home, views))
        pairs = [in_turn(*(partial(side, home, views, i) for side in SIDES), repeats=1) for i in range(students)]
    (fast, slow), top1 = np.min([seconds for seconds, _ in pairs], axis=0), np.mean([top1 for _, top1 in pairs], axis=0)
    gap, tolerance = abs(top1[0] - top1[1]), 2 * NOISE[full] * (2 / students) ** 0.5
    limit = 3 * steps * batch * forward_flops() / matmul_peak(pick_device(), torch.float32)
    work = f"student, {steps * batch // (IPC * len(CLASSES))} epochs (labelling, {labelling:.2g} s, not counted)"
    equality = f"top-1 {top1[0]:.1%} and {top1[1]:.1%} of {students} (tolerance {100 * tolerance:.1f} points)"
    return [Row(work, fast, slow, equality, gap < tolerance, limit / fast, "matmul")]


def label(home: Path, views: ViewSettings) -> None:
    paths = home / "set", None, home / "classes.csv", home / "teacher", home / "labels.safetensors"
    relabel_set(*paths, kind="region", views=views, top=None, dataset="digits", seed=0)


def image_sets(home: Path) -> tuple[ImageSet, ImageSet]:
    return ImageSet(*read_set(home / "set", None)), ImageSet(*open_split(home / "val.safetensors"))


def stored(home: Path, views: ViewSettings, seed: int) -> float:
    """Top-1 of a student as the workflow trains it."""
    train, test = image_sets(home)
    labels = StoredLabels(home / "labels.safetensors", {}, views, len(train.labels), len(CLASSES))

    def loss_at(step, batch, mixed):
        targets = labels.logits_at(step, mixed.device)
        return lambda logits, part: soft_loss(logits, targets[part], TEMPERATURE)

    return train_student(train, test, ARCH, views, ADAMW, labels.views_at, loss_at, (seed,))["last"]["top1"]


def reference(home: Path, views: ViewSettings, seed: int) -> float:
    """The same by the plain loop."""
    device, (train, test) = pick_device(), image_sets(home)
    images, targets = [Image.fromarray(pixels) for pixels in train.pixels], torch.from_numpy(train.labels)
    teacher = load_teacher(home / "teacher", CLASSES).to(memory_format=torch.contiguous_format)
    torch.manual_seed(derive_seed(seed))
    student = build_classifier(ARCH, len(CLASSES), SIDE).to(device)
    optimizer = build_optimizer(student, ADAMW.kind, ADAMW.lr, ADAMW.momentum, ADAMW.weight_decay)
    log = []
    for step in range(views.steps):
        for group in optimizer.param_groups:
            group["lr"] = ADAMW.lr * lr_factor(ADAMW.schedule, step, views.steps)
        planned = plan_views(views, len(images), SIDE, step, shared_view_words(0, "digits"))
        crops = [crop(images[row], box) for row, box in zip(planned.rows, planned.boxes, strict=True)]
        mixed = mix(torch.stack(crops).to(device), planned)
        with torch.no_grad():
            right = correct_at(student(mixed), targets[planned.rows].to(device), 1)
            taught = teacher(mixed)
        loss = soft_loss(student(mixed), taught, TEMPERATURE)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        log.append((right.float().mean().item(), loss.item()))
    return evaluate(student, ImageRows(test.pixels, device), test.labels)["top1"]


def crop(image: Image.Image, box: np.ndarray) -> torch.Tensor:
    """(3, SIDE, SIDE) normalised: the box (top, left, height, width, shares of the side) as a loader shows it."""
    whole = (round(SIDE * float(share)) for share in box)
    cropped = loader.resized_crop(loader.to_tensor(image), *whole, [SIDE, SIDE], antialias=True)
    return loader.normalize(cropped, IMAGENET_MEAN, IMAGENET_STD)


SIDES = stored, reference


def forward_flops() -> int:
    """Of one image."""
    network = build_classifier(ARCH, len(CLASSES), SIDE).eval()
    return flops(lambda: network(torch.zeros(1, 3, SIDE, SIDE)))
