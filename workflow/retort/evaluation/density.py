"""How well a few images stand for many real ones, judged by neighbourhoods: density and coverage."""

import torch
from torch import Tensor

# Balls are open, so a real image that is itself a neighbour lies outside, however its features were rounded.
EDGE = 1e-4


def density_and_coverage(real: Tensor, made: Tensor, neighbors: int) -> tuple[float, float]:
    """Density (0 and up) and coverage (0 to 1) of `made` (M, D) among `real` (N, D), with neighbors < N.

    Around each real image lies an open ball that reaches to its `neighbors`-th nearest other real image. Density: in
    how many balls a made image lies, on average and divided by `neighbors`, about 1 for images drawn as the real ones
    are. Coverage: the share of balls with a made image in them. Section 3 of Naeem et al. 2020, arXiv 2002.09797.
    Values depend on M and N. Computed in float64.
    """
    real, made = real.double(), made.double()
    centre = real.mean(0)  # near zero, distances by matrix products lose no digits that matter
    real, made = real - centre, made - centre
    radii = torch.cdist(real, real).kthvalue(neighbors + 1, dim=1).values  # the nearest of all is the image itself
    inside = torch.cdist(real, made) < radii[:, None] * (1 - EDGE)
    return inside.sum().item() / (neighbors * len(made)), inside.any(1).double().mean().item()
