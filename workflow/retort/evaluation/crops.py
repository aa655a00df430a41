"""Resized crops of images that are larger than what is seen of them."""

import torch
from torch import Tensor


def resized_crops(images: Tensor, boxes: Tensor, flips: Tensor, side: int) -> Tensor:
    """Crops of images (B, 3, h, h) resized to (B, 3, side, side), each with a box of its own, mirrored where flipped.

    boxes: (B, 4) top, left, height, width as shares of h, taken to the nearest whole pixel; flips: (B,) bool. Equal, to
    the rounding of float32, to torchvision's `resized_crop` on tensors with its defaults (bilinear, antialiased: a crop
    that shrinks is averaged over as many pixels as each of its own stands for) and `hflip`, as RDED's and CaO2's codes
    call them; what lies outside a crop does not count.
    """
    top, left, height, width = torch.round(boxes * images.shape[-1]).unbind(1)
    down, across = (_weights(*axis, images.shape[-1], side) for axis in ((top, height), (left, width)))
    across = torch.where(flips[:, None, None], across.flip(1), across)
    return down[:, None] @ images @ across[:, None].transpose(2, 3)


def _weights(start: Tensor, length: Tensor, whole: int, side: int) -> Tensor:
    """(B, side, whole): how much each of the `whole` pixels along an axis counts in each of the `side` new ones.

    A triangle around the new pixel's centre, a pixel wide to either side, or as wide as a new pixel where that is
    wider; cut off at the ends of the crop, and its sum 1.
    """
    start, length = start.double(), length.double()  # float32 would move centres far from 0
    step = (length / side)[:, None, None]
    radius = step.clamp(min=1)
    centres = start[:, None, None] + (torch.arange(side, device=start.device)[:, None] + 0.5) * step
    pixels = torch.arange(whole, device=start.device, dtype=start.dtype)
    inside = (pixels >= start[:, None, None]) & (pixels < (start + length)[:, None, None])
    weights = (1 - (pixels + 0.5 - centres).abs() / radius).clamp(min=0) * inside
    return (weights / weights.sum(dim=2, keepdim=True)).float()
