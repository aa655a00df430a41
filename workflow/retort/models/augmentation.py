"""The loss of a classifier on images that are changed at random: affine maps and random resized crops."""

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from retort.models.classifiers import normalised
from retort.models.pixels import to_images


def augmented_loss(
    module: nn.Module,
    pixels: np.ndarray,
    labels: np.ndarray,
    rng: np.random.Generator,
    precision: str,
    device: torch.device,
    **augmentation,
) -> Tensor:
    """The mean cross-entropy, a scalar, of augmented pixels (n, h, h, 3) uint8 with labels (n,).

    precision: "float32" or "bfloat16", of autocast. augmentation: the settings of `augmented`, drawn from `rng`.
    """
    images = augmented(to_images(pixels).to(device), rng, **augmentation)
    with torch.autocast(device.type, torch.bfloat16, enabled=precision == "bfloat16"):
        logits = module(normalised(images))
    return F.cross_entropy(logits.float(), torch.from_numpy(labels).to(device))


def augmented(
    images: Tensor,
    rng: np.random.Generator,
    *,
    rotate: float,
    scale: float,
    shift: float,
    flip: bool,
    crop: Sequence[float] | None,
) -> Tensor:
    """(n, 3, h, h) images under one random map each, drawn from `rng`; see `affine_maps` and `crop_maps`.

    crop: smallest and largest share of the area of a random resized crop; None for none.
    """
    maps = affine_maps(rng, len(images), rotate, scale, shift, flip)
    if crop is not None:
        maps = within_crops(maps, crop_maps(rng, len(images), crop))
    grid = F.affine_grid(maps.to(images.device), list(images.shape), align_corners=False)
    return F.grid_sample(images, grid, padding_mode="border", align_corners=False)


def affine_maps(rng: np.random.Generator, n: int, rotate: float, scale: float, shift: float, flip: bool) -> Tensor:
    """(n, 2, 3) float32 maps for affine_grid: degrees of rotation, shares of scale and shift, left-right flips."""
    angle = np.deg2rad(rng.uniform(-rotate, rotate, n))
    size = rng.uniform(1 - scale, 1 + scale, n)
    move = rng.uniform(-2 * shift, 2 * shift, (n, 2))  # affine_grid measures the side as 2
    mirror = np.where(rng.random(n) < 0.5, -1.0, 1.0) if flip else np.ones(n)
    cos, sin = np.cos(angle) * size, np.sin(angle) * size
    rows = [np.stack([cos * mirror, -sin, move[:, 0]], 1), np.stack([sin * mirror, cos, move[:, 1]], 1)]
    return torch.from_numpy(np.stack(rows, 1).astype(np.float32))


def crop_maps(rng: np.random.Generator, n: int, area: Sequence[float]) -> Tensor:
    """(n, 2, 3) float32 maps of random resized crops that lie inside the image.

    Share of the area uniform in `area`, aspect ratio log-uniform in 3/4 to 4/3 (Szegedy et al. 2015); a side that
    would be longer than the image's is cut to it.
    """
    share, ratio = rng.uniform(*area, n), np.exp(rng.uniform(np.log(3 / 4), np.log(4 / 3), n))
    width, height = np.minimum(np.sqrt(share * ratio), 1), np.minimum(np.sqrt(share / ratio), 1)
    # The centre of a crop of side s moves in -(1 - s) to 1 - s, the image being -1 to 1.
    x, y = ((1 - side) * rng.uniform(-1, 1, n) for side in (width, height))
    none = np.zeros(n)
    rows = [np.stack([width, none, x], 1), np.stack([none, height, y], 1)]
    return torch.from_numpy(np.stack(rows, 1).astype(np.float32))


def within_crops(maps: Tensor, crops: Tensor) -> Tensor:
    """(n, 2, 3): first to the place in the crop, then from there by the map; both as affine_grid takes them."""
    linear = maps[:, :, :2]
    return torch.cat([linear @ crops[:, :, :2], linear @ crops[:, :, 2:] + maps[:, :, 2:]], dim=2)
