"""Between pixels on disk and images in a model."""

import numpy as np
import torch
from torch import Tensor


def to_images(pixels: np.ndarray) -> Tensor:
    """(N, h, w, 3) uint8 to (N, 3, h, w) float32 in [-1, 1]."""
    return torch.from_numpy(np.array(pixels)).permute(0, 3, 1, 2).float() / 127.5 - 1


def to_pixels(images: Tensor) -> np.ndarray:
    """(N, 3, h, w) float in [-1, 1] to (N, h, w, 3) uint8, rounded to the nearest grey level."""
    scaled = (images.double().clamp(-1, 1) + 1) * 127.5
    return scaled.round().to(torch.uint8).permute(0, 2, 3, 1).cpu().numpy()
