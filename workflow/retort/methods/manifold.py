"""ManifoldGD's term: a latent is led towards the tangent plane of a noised ball around its mode (CVPR 2026)."""

from math import cos, exp, pi
from typing import Literal

import torch
from torch import Tensor

POINTS = 300  # of the ball
SPREAD = 150  # of them at radii from LEAST to the radius, the rest at random ones
LEAST = 0.1
NEIGHBOURS = 12

Growth = Literal["linear", "cosine", "exp"]


def radius_at(index: int, steps: int, stop: int, radius: float, most: float, growth: Growth, warm: int) -> float:
    """The radius of the ball at step `index` of `steps`, counted from the clean end.

    It is `radius`, and in the first `warm` of the guided steps (index > stop) falls to it from `most` times as much.
    """
    cut = max(stop, steps - 1 - warm)
    if index <= cut or most <= 1:
        return radius
    share = (index - cut) / max(1, steps - 1 - cut)
    share = {"cosine": (1 + cos(pi * (1 - share))) / 2, "exp": (exp(share) - 1) / (exp(1) - 1)}.get(growth, share)
    return radius * (1 + (most - 1) * share)


def draws(shape: tuple[int, ...], generator: torch.Generator) -> tuple[Tensor, Tensor, Tensor]:
    """Directions (POINTS, D), radii as shares (POINTS - SPREAD,) and noise (POINTS, D) for one latent of a shape."""
    size = torch.Size(shape).numel()
    directions = torch.randn(POINTS, size, generator=generator)
    radii = torch.rand(POINTS - SPREAD, generator=generator)
    return directions, radii, torch.randn(POINTS, size, generator=generator)


def term(
    latent: Tensor,
    mode: Tensor,
    drawn: tuple[Tensor, Tensor, Tensor],
    signal: float,
    radius: float,
    bandwidth: float,
    dimensions: int,
) -> Tensor:
    """(C, H, W): of length tanh(distance to the nearest point / bandwidth), for one latent and its mode (C, H, W).

    Points of a ball of this radius around the mode are noised to the signal abar. The mean and the leading directions
    of the latent's nearest ones span a plane of so many dimensions, and the term points straight to it.
    """
    directions, shares, noise = drawn
    spread = torch.linspace(LEAST, radius, SPREAD, device=latent.device, dtype=latent.dtype)
    radii = torch.cat([spread, shares * radius])
    points = mode.flatten() + radii[:, None] * directions / directions.norm(dim=1, keepdim=True)
    cloud, here = signal**0.5 * points + (1 - signal) ** 0.5 * noise, latent.flatten()
    distance, nearest = (cloud - here).norm(dim=1).topk(NEIGHBOURS, largest=False)
    middle = cloud[nearest].mean(dim=0)
    plane = torch.linalg.svd(cloud[nearest] - middle, full_matrices=False).Vh[:dimensions]
    off = here - middle
    straight = plane.T @ (plane @ off) - off
    length = torch.tanh(distance[0] / bandwidth)
    return (length * straight / (straight.norm() + 1e-8)).reshape(latent.shape)
