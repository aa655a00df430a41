"""Repulsion: noisy latents of one class are pushed apart while they are sampled together (ASF, AAAI 2026).

It is the repulsive term of Stein variational gradient descent (Liu and Wang, 2016) with a kernel of its own width for
each image, subtracted from the prediction of the noise.
"""

import math

import torch
from torch import Tensor

FEWEST = 2  # the logarithm in a kernel's width is of at least this: with one other image ASF's would be 0
NARROWEST = 1e-6  # of a kernel's width, in squared lengths of its image: above rounding, also where images are equal


def repulsion(latents: Tensor) -> Tensor:
    """sum_j 2 w_ij (x_i - x_j) / h_i for the latents x (N, C, H, W) of a set, float32.

    w_ij = exp(-d_ij^2 / h_i), where d_ij is the distance of x_i and x_j, and h_i the squared median of the N - 1
    distances of image i, the lower one of an even number, over ln(N - 1), so that the weights of the others are about 1
    in all. With one other image ASF's code has ln 1 = 0, an infinite width and no repulsion; here the width is that of
    three images, ln 2, which is also what Stein variational gradient descent has for two. An image alone is not moved.
    """
    if len(latents) < 2:
        return torch.zeros_like(latents, dtype=torch.float32)
    flat, distances = _distances(latents)
    others = distances.masked_fill(torch.eye(len(flat), dtype=torch.bool, device=flat.device), math.inf)
    width = _width(flat, others.sort(dim=1).values[:, (len(flat) - 2) // 2], len(flat) - 1)
    return _pushed(flat, torch.exp(-(others**2) / width), width).reshape(latents.shape)


def stein(latents: Tensor, eps: Tensor, sigma: float) -> Tensor:
    """Stein variational gradient descent for latents x and their predicted noise (N, C, H, W), float32.

    sum_j (w_ij (-eps_j) / sigma + 2 w_ij (x_i - x_j) / h_i) over all images, i too; h_i is the squared median of the N
    distances of image i, of which one is 0, over ln N; of two images it is not that 0 but the other distance. ASF's
    code has this form beside `repulsion`, and its scripts do not use it. An image alone is not moved.
    """
    if len(latents) < 2:
        return torch.zeros_like(latents, dtype=torch.float32)
    flat, distances = _distances(latents)
    width = _width(flat, distances.sort(dim=1).values[:, max((len(flat) - 1) // 2, 1)], len(flat))
    weights = torch.exp(-(distances**2) / width)
    scores = -(weights @ eps.float().flatten(1)) / sigma
    return (scores + _pushed(flat, weights, width)).reshape(latents.shape)


def _distances(latents: Tensor) -> tuple[Tensor, Tensor]:
    """Latents laid flat (N, D), and their distances (N, N), without the shortcut by products, which rounds more."""
    flat = latents.float().flatten(1)
    return flat, torch.cdist(flat, flat, compute_mode="donot_use_mm_for_euclid_dist")


def _width(flat: Tensor, median: Tensor, count: int) -> Tensor:
    """(N, 1): of each image's kernel, by the median of its distances to `count` images."""
    narrowest = (NARROWEST * flat.square().sum(dim=1)).clamp(min=torch.finfo(torch.float32).tiny)
    return torch.maximum(median**2 / math.log(max(count, FEWEST)), narrowest)[:, None]


def _pushed(flat: Tensor, weights: Tensor, width: Tensor) -> Tensor:
    """sum_j 2 w_ij (x_i - x_j) / h_i (N, D), without a tensor of all differences."""
    return 2 * (weights.sum(dim=1, keepdim=True) * flat - weights @ flat) / width
