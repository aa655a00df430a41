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
from retort.models.pixels import to_images
from retort.protocols.losses import correct_at
from retort.protocols.optimisers import build_optimizer, lr_factor
from retort.protocols.views import Views, ViewSettings, apply_views


@dataclass(frozen=True)
class ImageSet:
    """Labelled images: pixels (N, h, h, 3) uint8, possibly memory-mapped, and labels (N,) int64."""

    pixels: np.ndarray
    labels: np.ndarray


@dataclass(frozen=True)
class Recipe:
    """The protocol's optimiser, schedule and number of tests; see `optimizer` and `evaluations` in the config."""

    kind: str
    lr: float
    momentum: float
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
    tests = {round(total * (i + 1) / recipe.evaluations) for i in range(recipe.evaluations)}
    for step in tqdm(range(total), desc=label, unit="step"):
        rate = recipe.lr * lr_factor(recipe.schedule, *views.schedule_position(len(train.labels), step))
        for group in optimizer.param_groups:
            group["lr"] = rate
        planned = views_at(step)
        mixed = normalised(apply_views(to_images(train.pixels[planned.rows]).to(device), planned))
        optimizer.zero_grad(set_to_none=True)
        loss = loss_of(step, planned, mixed, module(mixed))
        loss.backward()
        optimizer.step()
        losses.append(loss.detach())
        if step + 1 in tests:
            mean_loss = torch.stack(losses).mean().item()
            if not np.isfinite(mean_loss):
                raise RetortError(f"{label}: the loss is {mean_loss} at step {step + 1}; lower the learning rate")
            curve.append({"step": step + 1, "loss": mean_loss, **evaluate(module, test)})
            losses.clear()
    best = max(curve, key=lambda point: point["top1"])
    per_class = curve[-1]["per_class"]
    keep = ("step", "loss", "top1", "top5")
    return {
        "last": {"top1": curve[-1]["top1"], "top5": curve[-1]["top5"], "per_class": per_class},
        "best": {"top1": best["top1"], "top5": best["top5"], "step": best["step"]},
        "curve": [{key: point[key] for key in keep} for point in curve],
        "steps": total,
        "train_images": len(train.labels),
        "test_images": len(test.labels),
        "parameters": sum(p.numel() for p in module.parameters()),
        "seconds": round(time.perf_counter() - began, 3),
    }


@torch.no_grad()
def evaluate(module: nn.Module, test: ImageSet, batch: int = 256) -> dict:
    """top1, top5 and per-class top-1 as fractions, in evaluation mode; the training mode is put back."""
    device, was_training = next(module.parameters()).device, module.training
    module.eval()
    top1, top5 = [], []
    for first in range(0, len(test.labels), batch):
        logits = module(normalised(to_images(test.pixels[first : first + batch]).to(device))).cpu()
        targets = torch.from_numpy(test.labels[first : first + batch].astype(np.int64))
        top1.append(correct_at(logits, targets, 1).numpy())
        top5.append(correct_at(logits, targets, 5).numpy())
    module.train(was_training)
    top1, top5 = np.concatenate(top1), np.concatenate(top5)
    per_class = [top1[test.labels == c].mean().item() for c in range(int(test.labels.max()) + 1)]
    return {"top1": top1.mean().item(), "top5": top5.mean().item(), "per_class": per_class}
