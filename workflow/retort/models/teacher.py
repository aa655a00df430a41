"""Teachers: trained on the real images, saved with what they are, measured before they are believed."""

import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import load_model, save_model
from torch import Tensor, nn
from torch.nn import functional as F

from retort.config.devices import pick_device
from retort.config.seeds import derive_seed, numpy_rng
from retort.data.files import read_json, write_json
from retort.errors import RetortError
from retort.models.classifiers import build_classifier, normalised
from retort.models.fit import Checkpoint, fit, warmup_cosine
from retort.models.pixels import to_images


def train_teacher(
    pixels: np.ndarray,
    labels: np.ndarray,
    arch: str,
    seed_words: Sequence[str | int],
    checkpoint: Checkpoint | None = None,
    *,
    steps: int,
    batch: int,
    lr: float,
    weight_decay: float,
    rotate: float,
    scale: float,
    shift: float,
    flip: bool,
) -> nn.Module:
    """A classifier for pixels (N, h, h, 3) uint8 with labels (N,), trained under random affine maps."""
    device = pick_device()
    torch.manual_seed(derive_seed(*seed_words, "weights"))
    module = build_classifier(arch, int(labels.max()) + 1, pixels.shape[1]).to(
        device, memory_format=torch.channels_last
    )

    def loss_at(step: int) -> Tensor:
        rng = numpy_rng(*seed_words, "batch", step)
        rows = np.sort(rng.integers(len(labels), size=batch))
        maps = affine_maps(rng, batch, rotate, scale, shift, flip).to(device)
        images = to_images(pixels[rows]).to(device)
        grid = F.affine_grid(maps, list(images.shape), align_corners=False)
        images = F.grid_sample(images, grid, padding_mode="border", align_corners=False)
        return F.cross_entropy(module(normalised(images)), torch.from_numpy(labels[rows]).to(device))

    optimizer = torch.optim.AdamW(module.parameters(), lr=lr, weight_decay=weight_decay)
    return fit(module, optimizer, loss_at, steps, warmup_cosine(0.05), checkpoint, label="training the teacher").eval()


def affine_maps(rng: np.random.Generator, n: int, rotate: float, scale: float, shift: float, flip: bool) -> Tensor:
    """(n, 2, 3) float32 maps for affine_grid: degrees of rotation, shares of scale and shift, left-right flips."""
    angle = np.deg2rad(rng.uniform(-rotate, rotate, n))
    size = rng.uniform(1 - scale, 1 + scale, n)
    move = rng.uniform(-2 * shift, 2 * shift, (n, 2))  # affine_grid measures the side as 2
    mirror = np.where(rng.random(n) < 0.5, -1.0, 1.0) if flip else np.ones(n)
    cos, sin = np.cos(angle) * size, np.sin(angle) * size
    rows = [np.stack([cos * mirror, -sin, move[:, 0]], 1), np.stack([sin * mirror, cos, move[:, 1]], 1)]
    return torch.from_numpy(np.stack(rows, 1).astype(np.float32))


@torch.no_grad()
def logits_of(module: nn.Module, pixels: np.ndarray, batch: int = 256, normalise: bool = True) -> Tensor:
    """(N, K) float32 logits on the CPU for pixels (N, h, h, 3) uint8.

    normalise False feeds images in [-1, 1] as they are, which no teacher was trained on but CaO2's code does.
    """
    device = next(module.parameters()).device
    chunks = (to_images(pixels[i : i + batch]).to(device) for i in range(0, len(pixels), batch))
    return torch.cat([module(normalised(c) if normalise else c).float().cpu() for c in chunks])


@torch.no_grad()
def features_and_logits(module: nn.Module, pixels: np.ndarray, batch: int = 256) -> tuple[Tensor, Tensor]:
    """(N, D) and (N, K) float32 on the CPU, in one pass: what the last layer sees, and what it makes of it."""
    device = next(module.parameters()).device
    features = torch.cat(
        [
            module.features(normalised(to_images(pixels[i : i + batch]).to(device))).float().cpu()
            for i in range(0, len(pixels), batch)
        ]
    )
    return features, module.head(features.to(device)).float().cpu()


def accuracy(logits: Tensor, labels: np.ndarray) -> float:
    """Top-1 as a fraction."""
    return (logits.argmax(1).numpy() == labels).mean().item()


def check_teacher(top1: float, classes: int, images: int, expect: float | None, name: str) -> None:
    """Raises RetortError when the teacher is near chance, or more than 0.05 below what it should reach.

    Near chance: below chance plus three standard deviations of a guesser's score on that many images.
    """
    chance = 1 / classes
    guess = chance + 3 * math.sqrt(chance * (1 - chance) / images)
    if top1 > guess and (expect is None or top1 >= expect - 0.05):
        return
    against = f"a guess scores up to {guess:.3f}" if top1 <= guess else f"{expect:.3f} is expected of it"
    raise RetortError(
        f"teacher {name!r} reaches top-1 {top1:.3f} on the {images} validation images, but {against}. Its labels would "
        "be worthless. Likely causes: too few training steps, a learning rate too high, or a class order that differs "
        f"between the teacher and classes.csv. See teachers.{name} in the config."
    )


def save_teacher(module: nn.Module, directory: Path, arch: str, classes: Sequence[str], resolution: int) -> None:
    """Weights as safetensors, and what they are for beside them."""
    save_model(module, str(directory / "model.safetensors"))
    write_json(directory / "teacher.json", {"arch": arch, "resolution": resolution, "classes": list(classes)})


def load_teacher(directory: str | Path, classes: Sequence[str]) -> nn.Module:
    """The teacher on this job's device, in evaluation mode. Raises RetortError when its class order is another."""
    about = read_json(Path(directory, "teacher.json"))
    if about["classes"] != list(classes):
        raise RetortError(f"{directory} was trained for classes {about['classes']}, the data set has {list(classes)}")
    module = build_classifier(about["arch"], len(classes), about["resolution"])
    load_model(module, str(Path(directory, "model.safetensors")))
    return module.to(pick_device(), memory_format=torch.channels_last).eval().requires_grad_(False)
