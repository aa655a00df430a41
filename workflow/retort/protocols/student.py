"""Training and testing one student on a distilled set."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn
from tqdm import tqdm

from retort.config.devices import pick_device
from retort.config.seeds import derive_seed
from retort.errors import RetortError
from retort.models.classifiers import build_classifier, normalised
from retort.protocols.augment import apply_views
from retort.protocols.image_rows import ImageRows
from retort.protocols.losses import correct_at
from retort.protocols.optimisers import build_optimizer, lr_factor
from retort.protocols.views import Views, ViewSettings

MOST_CONFUSED = 100  # classes; a larger matrix would outweigh everything else in a student's record


@dataclass(frozen=True)
class ImageSet:
    """Labelled images: pixels (N, h, h, 3) uint8, possibly memory-mapped, and labels (N,) int64."""

    pixels: np.ndarray
    labels: np.ndarray


@dataclass(frozen=True)
class Recipe:
    """The protocol's optimiser, schedule and number of tests; see `optimizer` and `evaluations` in the config.

    momentum: None where the kind has none.
    """

    kind: str
    lr: float
    momentum: float | None
    weight_decay: float
    schedule: str
    evaluations: int


def train_student(
    train: ImageSet,
    test: ImageSet,
    arch: str,
    views: ViewSettings,
    recipe: Recipe,
    views_at: Callable[[int], Views],
    loss_of: Callable[[int, Views, Tensor, Tensor], Tensor],
    weight_words: Sequence[str | int],
    label: str = "student",
) -> dict:
    """Train `arch` on `train` and test it on `test`; the accuracies as fractions, and the curve.

    views_at(step) gives the planned views; loss_of(step, views, mixed images, logits) the loss. The weights are
    drawn from `weight_words`. Last and best test accuracy are both reported; best is chosen on the test set.
    Raises RetortError when the loss is not finite.
    """
    device, began = pick_device(), time.perf_counter()
    classes = int(test.labels.max()) + 1
    torch.manual_seed(derive_seed(*weight_words))
    module = build_classifier(arch, classes, train.pixels.shape[1])
    module = module.to(device, memory_format=torch.channels_last)  # convolutions run about a third faster
    optimizer = build_optimizer(module, recipe.kind, recipe.lr, recipe.momentum, recipe.weight_decay)
    total, curve, losses = views.total_steps(len(train.labels)), [], []
    images, unseen = ImageRows(train.pixels, device), ImageRows(test.pixels, device)
    tests = {round(total * (i + 1) / recipe.evaluations) for i in range(recipe.evaluations)}
    for step in tqdm(range(total), desc=label, unit="step"):
        rate = recipe.lr * lr_factor(recipe.schedule, *views.schedule_position(len(train.labels), step))
        for group in optimizer.param_groups:
            group["lr"] = rate
        planned = views_at(step)
        mixed = normalised(apply_views(images[planned.rows], planned))
        optimizer.zero_grad(set_to_none=True)
        loss = loss_of(step, planned, mixed, module(mixed))
        loss.backward()
        optimizer.step()
        losses.append(loss.detach())
        if step + 1 in tests:
            mean_loss = torch.stack(losses).mean().item()
            if not np.isfinite(mean_loss):
                raise RetortError(f"{label}: the loss is {mean_loss} at step {step + 1}; lower the learning rate")
            curve.append({"step": step + 1, "loss": mean_loss, **evaluate(module, unseen, test.labels)})
            losses.clear()
    best = max(curve, key=lambda point: point["top1"])
    per_class, confusion = curve[-1]["per_class"], curve[-1]["confusion"]
    keep = ("step", "loss", "top1", "top5")
    return {
        "last": {"top1": curve[-1]["top1"], "top5": curve[-1]["top5"], "per_class": per_class, "confusion": confusion},
        "best": {"top1": best["top1"], "top5": best["top5"], "step": best["step"]},
        "curve": [{key: point[key] for key in keep} for point in curve],
        "steps": total,
        "train_images": len(train.labels),
        "test_images": len(test.labels),
        "parameters": sum(p.numel() for p in module.parameters()),
        "seconds": round(time.perf_counter() - began, 3),
    }


@torch.no_grad()
def evaluate(module: nn.Module, images: ImageRows, labels: np.ndarray, batch: int = 256) -> dict:
    """top1, top5 and per-class top-1 as fractions, in evaluation mode; the training mode is put back.

    confusion: how many images of class c (row) were taken for class d (column); None above `MOST_CONFUSED` classes.
    """
    was_training = module.training
    module.eval()
    right, taken = [], []
    for first in range(0, len(labels), batch):
        logits = module(normalised(images[first : first + batch]))
        targets = torch.from_numpy(labels[first : first + batch].astype(np.int64)).to(logits.device)
        right.append(torch.stack([correct_at(logits, targets, k) for k in (1, 5)]))
        taken.append(logits.argmax(dim=1))
    module.train(was_training)
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
