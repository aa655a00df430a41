"""Classifier-free guidance, written once for every model and every sampler."""

from collections.abc import Callable

import torch
from torch import Tensor

from retort.models.interface import Condition, LatentDiffusion, join

Denoiser = Callable[..., Tensor]
"""(latents (N, C, H, W), timestep, sigma=None) -> predicted noise (N, C, H, W), as a `Guided` model gives it."""

Pull = Callable[[Tensor, Tensor, int, float | None], Tensor]
"""(latents, conditional prediction, timestep, sigma) -> corrected conditional prediction: a guidance term."""

Shift = Callable[[Tensor, Tensor, int, Tensor | float | None], Tensor | None]
"""(latents, clean latents that the prediction under CFG implies, timestep, deviation of the step's noise) -> what is
added to the mean of the step; with deviation None, to the clean latents. None moves nothing."""


Move = Callable[[Tensor, int, float], Tensor | None]
"""(latents, the timestep at which the model is asked next, their abar) -> what is added to the latents before it is.
None moves nothing."""


class Guided:
    """A model under classifier-free guidance, asked for the noise in latents (Ho and Salimans 2022).

    eps = eps(null) + scale (eps(c) - eps(null)), both branches in one batch; a `pull` corrects eps(c) first. At scale 1
    the null branch has no weight and is not computed. channels: only the first so many channels of a latent are so
    guided, and the others are eps(c). A `clean_shift` moves the clean latents that the result implies, and the result
    with them; a `mean_shift` and a `move` are for samplers, which apply them to the means of their steps, and to
    latents between steps.
    """

    def __init__(
        self,
        model: LatentDiffusion,
        condition: Condition,
        scale: float,
        pull: Pull | None = None,
        clean_shift: Shift | None = None,
        mean_shift: Shift | None = None,
        move: Move | None = None,
        channels: int | None = None,
    ):
        self._model, self._scale, self._pull, self._channels = model, scale, pull, channels
        self._clean_shift, self.mean_shift, self.move = clean_shift, mean_shift, move
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
        guided = conditional if self._scale == 1 else eps[n:] + self._scale * (conditional - eps[n:])
        if self._channels is not None and self._scale != 1:
            guided = torch.cat([guided[:, : self._channels], conditional[:, self._channels :]], dim=1)
        return guided if self._clean_shift is None else self._shifted(guided, latents, timestep, sigma)

    def _shifted(self, eps: Tensor, latents: Tensor, timestep: int, sigma: float | None) -> Tensor:
        signal = float(self._model.alphas_cumprod[timestep]) if sigma is None else 1 / (1 + sigma**2)
        clean = (latents - (1 - signal) ** 0.5 * eps) / signal**0.5
        moved = self._clean_shift(latents, clean, timestep, None)
        return eps if moved is None else eps - (signal / (1 - signal)) ** 0.5 * moved


def moved(latents: Tensor, move: Move | None, timestep: int, signal: float) -> Tensor:
    """Latents (N, C, H, W) between two steps, at their abar, as the sampler goes on with them."""
    found = None if move is None else move(latents, timestep, signal)
    return latents if found is None else latents + found


def _branches(predict: Callable, latents: Tensor, timestep: int, both: Condition, scale: float):
    """What `predict` says of the conditional branch and, behind it, of the null branch where it counts."""
    branches = latents if scale == 1 else torch.cat([latents, latents])
    times = torch.full((len(branches),), timestep, dtype=torch.int64, device=latents.device)
    return predict(branches, times, both)
