"""Training and testing one student on a distilled set."""

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm
from tqdm import tqdm

from retort.base.devices import pick_device, tune_kernels
from retort.base.seeds import derive_seed
from retort.evaluation.augment import apply_views
from retort.evaluation.image_rows import ImageRows
from retort.evaluation.losses import correct_at
from retort.evaluation.optimisers import build_optimizer, lr_factor
from retort.evaluation.views import Views, ViewSettings
from retort.models.classifiers import build_classifier, normalised
from retort.models.health import check_finite, check_losses
from retort.models.memory import spare_bytes
from retort.models.precision import logits_in, scaler_for
from retort.models.training_state import Checkpoint, Training

REMEDY = "lower the learning rate (the protocol's optimizer.lr)"
UNLIKE_THE_BATCH = "batch norm sees the parts of a batch (accumulate), so the training is not that of whole batches"
TESTED_AT_ONCE = 256
MOST_CONFUSED = 100  # classes; a larger matrix would outweigh everything else in a student's record


@dataclass(frozen=True)
class ImageSet:
    """Labelled images: pixels (N, h, h, 3) uint8, possibly memory-mapped, and labels (N,) int64."""

    pixels: np.ndarray
    labels: np.ndarray


@dataclass(frozen=True)
class Recipe:
    """The protocol's optimiser, schedule, number of tests and how a step is computed; see `optimizer`, `evaluations`,
    `precision`, `accumulate` and `forward_twice` in the config.

    momentum: None where the kind has none.
    """

    kind: str
    lr: float
    momentum: float | None
    weight_decay: float
    schedule: str
    evaluations: int
    precision: str = "float32"
    accumulate: int = 1
    forward_twice: bool = False


LossOf = Callable[[Tensor, slice], Tensor]
"""From the logits of some of a step's views, and which these are, to their mean loss."""


def train_student(
    train: ImageSet,
    test: ImageSet,
    arch: str,
    views: ViewSettings,
    recipe: Recipe,
    views_at: Callable[[int], Views],
    loss_at: Callable[[int, Views, Tensor], LossOf],
    weight_words: Sequence[str | int],
    label: str = "student",
    checkpoint: Checkpoint | None = None,
) -> dict:
    """Train `arch` on `train` and test it on `test`; the accuracies as fractions, and the curve.

    views_at(step) gives the planned views; loss_at(step, views, mixed images) what their loss is. Test images are as
    large as the views, which may be crops of larger ones. The weights are drawn from `weight_words`. Last and best test
    accuracy are both reported; best is chosen on the test set. From a state that was left at the checkpoint it goes on
    to the same result; seconds are those of all attempts, but for what was lost. Raises LossLost when the loss is not
    finite, and RetortError when what it makes of a test image is not.
    """
    device, began = pick_device(), time.perf_counter()
    side = views.side_of(train.pixels.shape[1])
    training = _begin(arch, int(test.labels.max()) + 1, side, recipe, weight_words, device)
    module, optimizer = training.module, training.optimizer
    if recipe.accumulate > 1 and any(isinstance(layer, _BatchNorm) for layer in module.modules()):
        print(f"{label}: {UNLIKE_THE_BATCH}")
    start, left = checkpoint.resume(training) if checkpoint else (0, {})
    began -= left.get("seconds", 0.0)
    curve, losses = left.get("curve", []), list(torch.tensor(left.get("losses", []), device=device))
    total = views.total_steps(len(train.labels))
    images, unseen = _rows(module, train, test, views, recipe, device)
    tune_kernels(views.all_alike(len(train.labels)))
    tests = {round(total * (i + 1) / recipe.evaluations) for i in range(recipe.evaluations)}
    bar = tqdm(range(start, total), initial=start, total=total, desc=label, unit="step")
    for step, (_, planned, shown) in zip(bar, images.of_views(map(views_at, range(start, total))), strict=True):
        rate = recipe.lr * lr_factor(recipe.schedule, *views.schedule_position(len(train.labels), step))
        for group in optimizer.param_groups:
            group["lr"] = rate
        mixed = normalised(apply_views(shown, planned))
        losses.append(_learn(training, mixed, loss_at(step, planned, mixed), recipe))
        tested, saved = step + 1 in tests, checkpoint and step + 1 < total and checkpoint.due()
        if tested or saved:  # a state that is lost must not be resumed
            check_losses(losses, step + 1, label, REMEDY)
        if tested:
            last = evaluate(module, unseen, test.labels, name=label)
            mean_loss = torch.stack(losses).mean().item()
            curve.append({"step": step + 1, "loss": mean_loss, "top1": last["top1"], "top5": last["top5"]})
            losses.clear()
        if saved:
            unshown = torch.stack(losses).tolist() if losses else []
            seconds = time.perf_counter() - began
            checkpoint.save(training, step + 1, {"curve": curve, "losses": unshown, "seconds": seconds})
    return _accuracies(curve, last) | {
        "steps": total,
        "views": views.total_views(len(train.labels)),
        "train_images": len(train.labels),
        "test_images": len(test.labels),
        "parameters": sum(p.numel() for p in module.parameters()),
        "seconds": round(time.perf_counter() - began, 3),
    }


def _begin(
    arch: str, classes: int, side: int, recipe: Recipe, weight_words: Sequence[str | int], device: torch.device
) -> Training:
    torch.manual_seed(derive_seed(*weight_words))
    module = build_classifier(arch, classes, side)
    module = module.to(device, memory_format=torch.channels_last)  # convolutions run about a third faster
    optimizer = build_optimizer(module, recipe.kind, recipe.lr, recipe.momentum, recipe.weight_decay)
    return Training(module, optimizer, None, scaler_for(recipe.precision, device))


def _rows(
    module: nn.Module, train: ImageSet, test: ImageSet, views: ViewSettings, recipe: Recipe, device: torch.device
) -> tuple[ImageRows, ImageRows]:
    """Both sets, each on the GPU where there is room beside what steps and tests need."""
    side, together = train.pixels.shape[1], math.ceil(views.batch_of(len(train.labels)) / recipe.accumulate)

    def rows(pixels: np.ndarray) -> ImageRows:
        passes = [(together, recipe.precision, True), (TESTED_AT_ONCE, "float32", False)]
        return ImageRows(pixels, device, spare_bytes(device, module, side, passes))

    return rows(train.pixels), rows(test.pixels)


def _learn(training: Training, mixed: Tensor, loss_of: LossOf, recipe: Recipe) -> Tensor:
    """One step of the optimiser on mixed images (B, 3, h, h); their mean loss, detached.

    Of several parts each is differentiated before the next one is computed, so that only one is in memory.
    """
    module, optimizer, scaler = training.module, training.optimizer, training.scaler
    optimizer.zero_grad(set_to_none=True)
    total, parts = None, parts_of(len(mixed), recipe.accumulate)
    for part in parts:
        if recipe.forward_twice:  # as a part of its own: batch norm must see twice what is learnt from
            with torch.no_grad():
                logits_in(module, mixed[part], recipe.precision)
        loss = loss_of(logits_in(module, mixed[part], recipe.precision), part)
        if len(parts) > 1:
            loss = loss * ((part.stop - part.start) / len(mixed))
        scaler.scale(loss).backward()
        total = loss.detach() if total is None else total + loss.detach()
    scaler.step(optimizer)
    scaler.update()
    return total


def parts_of(images: int, count: int) -> list[slice]:
    """A batch in `count` parts as even as can be; fewer where one would be a lone image, which batch norm refuses."""
    count = max(1, min(count, images // 2))
    ends = [images * (i + 1) // count for i in range(count)]
    return [slice(first, end) for first, end in zip([0, *ends], ends, strict=False)]


def _accuracies(curve: list[dict], last: dict) -> dict:
    best = max(curve, key=lambda point: point["top1"])
    return {
        "last": last,
        "best": {"top1": best["top1"], "top5": best["top5"], "step": best["step"]},
        "curve": curve,
    }


@torch.no_grad()
def evaluate(
    module: nn.Module, images: ImageRows, labels: np.ndarray, batch: int = TESTED_AT_ONCE, name: str = "student"
) -> dict:
    """top1, top5 and per-class top-1 as fractions, in evaluation mode; the training mode is put back.

    confusion: how many images of class c (row) were taken for class d (column); None above `MOST_CONFUSED` classes.
    Raises RetortError naming the student and the class of a test image whose logits are not finite.
    """
    was_training = module.training
    module.eval()
    right, taken, largest = [], [], []
    targets = torch.from_numpy(labels.astype(np.int64)).to(next(module.parameters()).device)
    for part, shown in images.in_turn(batch):
        logits = module(normalised(shown))
        right.append(torch.stack([correct_at(logits, targets[part], k) for k in (1, 5)]))
        taken.append(logits.argmax(dim=1))
        largest.append(logits.abs().amax(dim=1))
    module.train(was_training)
    what = "the logits of a test image are"
    check_finite(torch.cat(largest), lambda row: f"{name}: class number {labels[row]}", what, REMEDY)
    top1, top5 = torch.cat(right, dim=1).cpu().numpy()
    classes = int(labels.max()) + 1
    return {
        "top1": top1.mean().item(),
        "top5": top5.mean().item(),
        "per_class": [top1[labels == c].mean().item() for c in range(classes)],
        "confusion": _confusion(labels, torch.cat(taken).cpu().numpy(), classes),
    }


def _confusion(labels: np.ndarray, taken: np.ndarray, classes: int) -> list[list[int]] | None:
    if classes > MOST_CONFUSED:
        return None
    counts = np.zeros((classes, classes), dtype=np.int64)
    np.add.at(counts, (labels, taken), 1)
    return counts.tolist()
