"""Classifier-free guidance, written once for every model and every sampler."""

from collections.abc import Callable

import torch
from torch import Tensor

from retort.models.interface import Condition, LatentDiffusion, join

Denoiser = Callable[[Tensor, int], Tensor]
"""(latents (N, C, H, W), timestep) -> predicted noise (N, C, H, W)."""


def guided(model: LatentDiffusion, condition: Condition, scale: float) -> Denoiser:
    """eps = eps(null) + scale (eps(c) - eps(null)), both branches in one batch (Ho and Salimans 2022).

    At scale 1 the null branch has no weight and is not computed.
    """
    n = len(next(iter(condition.values())))
    both = condition if scale == 1 else join(condition, model.null(n))

    def denoise(latents: Tensor, timestep: int) -> Tensor:
        branches = latents if scale == 1 else torch.cat([latents, latents])
        times = torch.full((len(branches),), timestep, dtype=torch.int64, device=latents.device)
        eps = model.eps(branches, times, both)
        if scale == 1:
            return eps
        conditional, null = eps.chunk(2)
        return null + scale * (conditional - null)

    return denoise
