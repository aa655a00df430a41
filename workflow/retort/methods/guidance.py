"""Classifier-free guidance, written once for every model and every sampler."""

from collections.abc import Callable

import torch
from torch import Tensor

from retort.models.interface import Condition, LatentDiffusion, join

Denoiser = Callable[..., Tensor]
"""(latents (N, C, H, W), timestep, sigma=None) -> predicted noise (N, C, H, W), as a `Guided` model gives it."""

Pull = Callable[[Tensor, Tensor, int, float | None], Tensor]
"""(latents, conditional prediction, timestep, sigma) -> corrected conditional prediction: a guidance term."""


class Guided:
    """A model under classifier-free guidance, asked for the noise in latents (Ho and Salimans 2022).

    eps = eps(null) + scale (eps(c) - eps(null)), both branches in one batch; a `pull` corrects eps(c) first. At scale 1
    the null branch has no weight and is not computed.
    """

    def __init__(self, model: LatentDiffusion, condition: Condition, scale: float, pull: Pull | None = None):
        self._model, self._scale, self._pull = model, scale, pull
        self._images = len(next(iter(condition.values())))
        self._both = condition if scale == 1 else join(condition, model.null(self._images))

    def __call__(self, latents: Tensor, timestep: int, sigma: float | None = None) -> Tensor:
        """Predicted noise (N, C, H, W) in latents (N, C, H, W).

        sigma: the sampler's own noise level sqrt((1 - abar) / abar), for samplers whose grid lies between timesteps.
        """
        eps = _branches(self._model.eps, latents, timestep, self._both, self._scale)
        return self._guided(eps, latents, timestep, sigma)

    def with_variance(self, latents: Tensor, timestep: int) -> tuple[Tensor, Tensor | None]:
        """The same, and what the conditional branch says of the variance (None from models that learn none)."""
        eps, variance = _branches(self._model.eps_and_variance, latents, timestep, self._both, self._scale)
        guided = self._guided(eps, latents, timestep, None)
        return guided, None if variance is None else variance[: self._images]

    def _guided(self, eps: Tensor, latents: Tensor, timestep: int, sigma: float | None) -> Tensor:
        n = self._images
        conditional = eps[:n] if self._pull is None else self._pull(latents, eps[:n], timestep, sigma)
        return conditional if self._scale == 1 else eps[n:] + self._scale * (conditional - eps[n:])


def _branches(predict: Callable, latents: Tensor, timestep: int, both: Condition, scale: float):
    """What `predict` says of the conditional branch and, behind it, of the null branch where it counts."""
    branches = latents if scale == 1 else torch.cat([latents, latents])
    times = torch.full((len(branches),), timestep, dtype=torch.int64, device=latents.device)
    return predict(branches, times, both)
