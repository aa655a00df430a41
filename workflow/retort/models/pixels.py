"""Between pixels on disk and images in a model."""

from functools import cache

import numpy as np
import torch
from torch import Tensor


def to_images(pixels: np.ndarray) -> Tensor:
    """(N, h, w, 3) uint8 to (N, 3, h, w) float32 in [-1, 1]."""
    return images_of(torch.from_numpy(np.array(pixels)))


def images_of(pixels: Tensor) -> Tensor:
    """The same of a tensor, where it lies. A GPU divides a little differently: only like compares with like."""
    return pixels.permute(0, 3, 1, 2).float() / 127.5 - 1


def images_on(device: torch.device, pixels: np.ndarray) -> Tensor:
    """`to_images` on a device: it is bytes that travel, without waiting where they lie in page-locked memory."""
    return images_of(torch.from_numpy(pixels).to(device, non_blocking=True))


@cache
def constant(values: tuple, device: torch.device) -> Tensor:
    """Numbers as a float32 tensor on a device, sent there once: at every step it would wait. Nobody may change it."""
    with torch.inference_mode(False):  # or no gradient could pass by it later
        return torch.tensor(values, dtype=torch.float32, device=device)


def to_pixels(images: Tensor) -> np.ndarray:
    """(N, 3, h, w) float in [-1, 1] to (N, h, w, 3) uint8, rounded to the nearest grey level.

    Raises ValueError for values that are not finite, which no grey level stands for.
    """
    if not images.isfinite().all():
        raise ValueError("images that are not finite cannot be written as pixels")
    scaled = (images.double().clamp(-1, 1) + 1) * 127.5
    return scaled.round().to(torch.uint8).permute(0, 2, 3, 1).cpu().numpy()
