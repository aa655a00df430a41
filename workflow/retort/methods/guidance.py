"""Classifier-free guidance, written once for every model and every sampler."""

from collections.abc import Callable

import torch
from torch import Tensor

from retort.models.interface import Condition, LatentDiffusion, join

Denoiser = Callable[..., Tensor]
"""(latents (N, C, H, W), timestep, sigma=None) -> predicted noise (N, C, H, W).

sigma is the sampler's own noise level sqrt((1 - abar) / abar), for samplers whose grid lies between timesteps.
"""

Pull = Callable[[Tensor, Tensor, int, float | None], Tensor]
"""(latents, conditional prediction, timestep, sigma) -> corrected conditional prediction: a guidance term."""


def guided(model: LatentDiffusion, condition: Condition, scale: float, pull: Pull | None = None) -> Denoiser:
    """eps = eps(null) + scale (eps(c) - eps(null)), both branches in one batch (Ho and Salimans 2022).

    `pull` corrects eps(c) first. At scale 1 the null branch has no weight and is not computed.
    """
    n = len(next(iter(condition.values())))
    both = condition if scale == 1 else join(condition, model.null(n))

    def denoise(latents: Tensor, timestep: int, sigma: float | None = None) -> Tensor:
        eps = _branches(model.eps, latents, timestep, both, scale)
        conditional = eps[:n] if pull is None else pull(latents, eps[:n], timestep, sigma)
        return _mixed(conditional, eps[n:], scale)

    return denoise


def guided_with_variance(
    model: LatentDiffusion, condition: Condition, scale: float, pull: Pull | None = None
) -> Callable[[Tensor, int], tuple[Tensor, Tensor | None]]:
    """The same, together with what the conditional branch says of the variance (None from models that learn none)."""
    n = len(next(iter(condition.values())))
    both = condition if scale == 1 else join(condition, model.null(n))

    def denoise(latents: Tensor, timestep: int) -> tuple[Tensor, Tensor | None]:
        eps, variance = _branches(model.eps_and_variance, latents, timestep, both, scale)
        conditional = eps[:n] if pull is None else pull(latents, eps[:n], timestep, None)
        return _mixed(conditional, eps[n:], scale), None if variance is None else variance[:n]

    return denoise


def _branches(predict: Callable, latents: Tensor, timestep: int, both: Condition, scale: float):
    """What `predict` says of the conditional branch and, behind it, of the null branch where it counts."""
    branches = latents if scale == 1 else torch.cat([latents, latents])
    times = torch.full((len(branches),), timestep, dtype=torch.int64, device=latents.device)
    return predict(branches, times, both)


def _mixed(conditional: Tensor, null: Tensor, scale: float) -> Tensor:
    return conditional if scale == 1 else null + scale * (conditional - null)
