"""Whole trainings against plain loops, written as the reference codes are, by both kinds of label.

The loops below share with Retort the initial weights (a network built from the same seed) and the plan of the views;
everything else is torch, torchvision and scipy: images are augmented one by one, the teacher is asked in every step,
the learning rate is set once per epoch by torch's schedulers. Students compute in double precision, because a training
magnifies the last bits a thousand times within these few steps.
"""

import math
from pathlib import Path

import numpy as np
import pytest
import torch
from scipy.ndimage import map_coordinates
from tests.helpers.birds import CLASSES, SIDE, TEMPERATURE, label, make_home, train
from torch import nn
from torch.nn import functional as F
from torchvision.transforms import functional as T

from retort.artifacts.labels import shared_view_words
from retort.artifacts.sets import read_set
from retort.base.seeds import derive_seed
from retort.base.tensors import open_tensors
from retort.evaluation import student as student_module
from retort.evaluation.student import Recipe
from retort.evaluation.views import Views, ViewSettings, plan_views
from retort.models.classifiers import build_classifier, normalised
from retort.models.teacher import load_teacher

EPOCHS, IMAGES, BATCH = 9, 18, 5
STATISTICS = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
BATCHES = math.ceil(IMAGES / BATCH)  # the last one of an epoch is smaller
STEPS = EPOCHS * BATCHES
SOFT = ViewSettings(batch=BATCH, crop=(0.4, 1.0), flip=True, cutmix=1.0, shuffle=2, epochs=EPOCHS)
HARD = ViewSettings(batch=BATCH, crop=(0.4, 1.0), flip=True, cutmix=1.0, jitter=0.4, lighting=0.1, epochs=EPOCHS)
# Tested after every step. The decay is far above the papers', so that it matters within so few steps.
ADAMW = Recipe(kind="adamw", lr=0.001, momentum=0.9, weight_decay=0.5, schedule="half-cosine", evaluations=STEPS)
SGD = Recipe(kind="sgd", lr=0.01, momentum=0.9, weight_decay=0.05, schedule="milestones", evaluations=STEPS)


@pytest.fixture(scope="module")
def home(tmp_path_factory) -> Path:
    return make_home(tmp_path_factory.mktemp("birds"))


@pytest.fixture(autouse=True)
def double_precision(monkeypatch):
    monkeypatch.setattr(student_module, "build_classifier", lambda *arguments: build_classifier(*arguments).double())
    monkeypatch.setattr(student_module, "normalised", lambda images: normalised(images).double())


# ---------------------------------------------------------------- one image at a time


def shuffled(image: np.ndarray, columns: np.ndarray, rows: np.ndarray) -> np.ndarray:
    """The patches of a mosaic (h, h, 3) in new columns and rows."""
    image = np.concatenate([np.split(image, len(columns), axis=1)[i] for i in columns], axis=1)
    return np.concatenate([np.split(image, len(rows), axis=0)[i] for i in rows], axis=0)


def cropped(image: np.ndarray, box: np.ndarray) -> np.ndarray:
    """The box (top, left, height, width, shares of the side) at full size, bilinear."""
    top, left, height, width = box.astype(np.float64) * SIDE
    centres = (np.arange(SIDE) + 0.5) / SIDE
    where = np.meshgrid(top + centres * height - 0.5, left + centres * width - 0.5, indexing="ij")
    return np.stack([map_coordinates(image[..., c], where, order=1, mode="nearest") for c in range(3)], axis=2)


def jittered(image: np.ndarray, order: np.ndarray, strengths: np.ndarray) -> np.ndarray:
    for kind, strength in zip(order, strengths, strict=True):
        grey = image @ np.array([0.299, 0.587, 0.114])
        target = [0.0, grey.mean(), grey[..., None]][kind]
        image = image + strength * (target - image)
    return image


def lit(image: np.ndarray, strengths: np.ndarray) -> np.ndarray:
    """AlexNet's noise along the principal colours of ImageNet."""
    values = np.array([0.2175, 0.0188, 0.0045])
    vectors = np.array([[-0.5675, 0.7192, 0.4009], [-0.5808, -0.0045, -0.8140], [-0.5836, -0.6948, 0.4203]])
    return image + vectors @ (values * strengths)


def batch_of(pixels: np.ndarray, views: Views) -> torch.Tensor:
    """(B, 3, h, h), normalised: the batch that a loader would give, but for the mixing."""
    images = []
    for i, row in enumerate(views.rows):
        image = pixels[row] / 255
        if views.strips is not None:
            image = shuffled(image, *views.strips[i])
        image = cropped(image, views.boxes[i])
        if views.flips[i]:
            image = image[:, ::-1]
        if views.tints is not None:
            image = jittered(image, views.tint_order[i], views.tints[i])
        if views.lights is not None:
            image = lit(image, views.lights[i])
        images.append(torch.tensor(image.copy()).permute(2, 0, 1))
    return T.normalize(torch.stack(images), *STATISTICS)


def cut_and_mixed(images: torch.Tensor, views: Views) -> tuple[torch.Tensor, torch.Tensor, float]:
    """The mixed images, whose regions they got, and the share of each that is its own."""
    top, bottom, left, right = (int(x) for x in views.cut)
    partners, mixed = torch.tensor(views.partners).long(), images.clone()
    mixed[:, :, top:bottom, left:right] = images[partners, :, top:bottom, left:right]
    return mixed, partners, 1 - (bottom - top) * (right - left) / SIDE**2


# ---------------------------------------------------------------- the loops


def fresh(arch: str) -> nn.Module:
    torch.manual_seed(derive_seed(0, "student", "birds", arch, 0))
    return build_classifier(arch, len(CLASSES), SIDE).double()


def accuracy_of(network: nn.Module, home: Path) -> float:
    val = open_tensors(home / "val.safetensors")
    images = torch.tensor(val["pixels"] / 255).permute(0, 3, 1, 2)
    network.eval()
    with torch.no_grad():
        found = network(T.normalize(images, *STATISTICS)).argmax(1)
    network.train()
    return (found.numpy() == val["labels"]).mean()


def soft_loop(home: Path, arch: str, twice: bool = False) -> tuple[list[float], list[float]]:
    """Loss and accuracy after every step. Labels are rounded as they are when they are stored.

    twice: as RDED's code, and D3HR's and CaO2's after it, which asks the student for the mixed images once before, for
    its log, in training mode.
    """
    pixels, _ = read_set(home / "full", home / "train.safetensors")
    teacher, student = load_teacher(home / "teacher", CLASSES), fresh(arch)
    weights = [m.weight for m in student.modules() if isinstance(m, nn.Conv2d | nn.Linear)]
    others = [p for p in student.parameters() if all(p is not w for w in weights)]
    optimizer = torch.optim.AdamW(
        [{"params": weights, "weight_decay": 0.5}, {"params": others, "weight_decay": 0.0}], lr=0.001
    )
    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda e: 0.5 * (1 + math.cos(math.pi * e / EPOCHS / 2)))
    losses, accuracies = [], []
    for epoch in range(EPOCHS):
        for i in range(BATCHES):
            views = plan_views(SOFT, IMAGES, SIDE, epoch * BATCHES + i, shared_view_words(0, "birds"))
            mixed, _, _ = cut_and_mixed(batch_of(pixels, views), views)
            with torch.no_grad():
                target = F.softmax(teacher(mixed.float()).half().double() / TEMPERATURE, dim=1)
                if twice:
                    student(mixed)
            loss = nn.KLDivLoss(reduction="batchmean")(F.log_softmax(student(mixed) / TEMPERATURE, dim=1), target)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            losses.append(loss.item())
            accuracies.append(accuracy_of(student, home))
        schedule.step()
    return losses, accuracies


def hard_loop(home: Path, arch: str) -> tuple[list[float], list[float]]:
    pixels, labels = read_set(home / "full", home / "train.safetensors")
    student, criterion = fresh(arch), nn.CrossEntropyLoss()
    optimizer = torch.optim.SGD(student.parameters(), 0.01, momentum=0.9, weight_decay=0.05)
    milestones = [2 * EPOCHS // 3, 5 * EPOCHS // 6]
    schedule = torch.optim.lr_scheduler.MultiStepLR(optimizer, milestones, gamma=0.2)
    losses, accuracies = [], []
    for epoch in range(EPOCHS):
        for i in range(BATCHES):
            views = plan_views(HARD, IMAGES, SIDE, epoch * BATCHES + i, (0, "views", "birds", 0))
            mixed, partners, ratio = cut_and_mixed(batch_of(pixels, views), views)
            output, target = student(mixed), torch.tensor(labels[views.rows])
            loss = criterion(output, target) * ratio + criterion(output, target[partners]) * (1.0 - ratio)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            losses.append(loss.item())
            accuracies.append(accuracy_of(student, home))
        schedule.step()
    return losses, accuracies


# ---------------------------------------------------------------- equal curves


def compare(ours: dict, loop: tuple[list[float], list[float]], tolerance: float) -> None:
    """Losses within a share of the first one; accuracies, last and best too, but for one test image."""
    losses, accuracies = loop
    assert ours["steps"] == STEPS == len(losses)
    np.testing.assert_allclose([p["loss"] for p in ours["curve"]], losses, rtol=0, atol=tolerance * losses[0])
    share = 1 / ours["test_images"] + 1e-9
    np.testing.assert_allclose([p["top1"] for p in ours["curve"]], accuracies, rtol=0, atol=share)
    assert ours["last"]["top1"] == pytest.approx(accuracies[-1], abs=share)
    assert ours["best"]["top1"] == pytest.approx(max(accuracies), abs=share)
    assert np.ptp(losses) > 100 * tolerance * losses[0] / 2  # curves that move


@pytest.mark.parametrize(("arch", "twice"), [("resnet8", False), ("resnet8", True), ("convnet3", False)])
def test_soft_labels_train_as_the_plain_loop_that_asks_the_teacher_in_every_step(home, tmp_path, arch, twice):
    """To half a per cent: the teacher computes in single precision, so some labels round the other way."""
    stored = label(home, "full", "region", SOFT, tmp_path / "labels.safetensors")
    recipe = Recipe(**vars(ADAMW) | {"forward_twice": twice})
    (ours,) = train(home, "region", name="full", views=SOFT, labels=stored, student=arch, recipe=recipe)
    compare(ours, soft_loop(home, arch, twice), tolerance=5e-3)
    if twice:  # it is the statistics, which only tests see, that make the difference
        once = soft_loop(home, arch)[1]
        assert [point["top1"] for point in ours["curve"]] != pytest.approx(once, abs=2 / ours["test_images"])


@pytest.mark.parametrize("arch", ["resnet8", "convnet3"])
def test_hard_labels_train_as_the_plain_loop(home, arch):
    (ours,) = train(home, "hard", name="full", views=HARD, student=arch, recipe=SGD)
    compare(ours, hard_loop(home, arch), tolerance=1e-3)
