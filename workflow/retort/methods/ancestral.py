"""Ancestral DDPM sampling on a respaced schedule, with the learned variance where a model has one (CaO2's sampler).

Ho et al. 2020 for the step, Nichol and Dhariwal 2021 for the respacing and for the variance, which a network gives as
a place v in [-1, 1] between the schedule's smallest and largest variance, in logarithms.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Self

import numpy as np
import torch
from torch import Tensor

from retort.methods.guidance import Move, Shift, moved


@dataclass(frozen=True)
class Respaced:
    """A sub-schedule of S of the T training timesteps: index i = 0..S-1 stands for timesteps[i], ascending."""

    timesteps: list[int]
    alphas_cumprod: np.ndarray
    """(S,) float64, abar at those timesteps."""

    @property
    def betas(self) -> np.ndarray:
        """(S,) float64: the noise that one step of the sub-schedule adds."""
        return 1 - self.alphas_cumprod / self._previous

    @property
    def posterior_variance(self) -> np.ndarray:
        """(S,) float64: of q(x_{i-1} | x_i, x_0); 0 at i = 0."""
        return self.betas * (1 - self._previous) / (1 - self.alphas_cumprod)

    def below(self, first: int | None) -> Self:
        """Its indices 0..first alone, with the same steps between them; all of it for None."""
        stop = len(self.timesteps) if first is None else first + 1
        return type(self)(self.timesteps[:stop], self.alphas_cumprod[:stop])

    @property
    def _previous(self) -> np.ndarray:
        return np.concatenate([[1.0], self.alphas_cumprod[:-1]])


def respace(alphas_cumprod: Tensor, steps: int) -> Respaced:
    """`steps` timesteps spread evenly from 0 to T - 1, both included. Raises ValueError for steps outside 2..T."""
    total = len(alphas_cumprod)
    if not 2 <= steps <= total:
        raise ValueError(f"steps must lie in 2..{total}, found {steps}")
    stride = (total - 1) / (steps - 1)
    timesteps = [round(stride * i) for i in range(steps)]
    return Respaced(timesteps, alphas_cumprod[timesteps].double().numpy())


def sample(
    latents: Tensor,
    denoise: Callable[[Tensor, int], tuple[Tensor, Tensor | None]],
    alphas_cumprod: Tensor,
    steps: int,
    noise: Callable[[], Tensor],
    first: int | None = None,
    shift: Shift | None = None,
    move: Move | None = None,
) -> Tensor:
    """Ancestral sampling of latents (N, C, H, W): from pure noise, or from the noise of index `first` of the schedule.

    As `walk` on the respaced schedule of so many steps.
    """
    schedule = respace(alphas_cumprod, steps)
    return walk(latents, denoise, schedule.below(first), noise, shift, schedule.posterior_variance[1], move)


def walk(
    latents: Tensor,
    denoise: Callable[[Tensor, int], tuple[Tensor, Tensor | None]],
    schedule: Respaced,
    noise: Callable[[], Tensor],
    shift: Shift | None = None,
    least_variance: float | None = None,
    move: Move | None = None,
) -> Tensor:
    """From latents (N, C, H, W) at the noisiest step of a schedule down its steps to clean ones.

    denoise gives the predicted noise and v, or None for a fixed variance (the schedule's smallest, the posterior's).
    noise() gives fresh standard normal latents (N, C, H, W); the last step adds none and does not ask. shift gives what
    is added to the mean of each step. least_variance stands at the clean end for the posterior's variance, which is 0
    there, where v chooses between variances; by default it is that of the step before. move gives what is added to the
    latents before each step but the first.
    """
    betas, smallest = schedule.betas, schedule.posterior_variance
    least = smallest[1] if least_variance is None else least_variance
    log_smallest, log_largest = np.log(np.append(least, smallest[1:])), np.log(betas)
    noisiest = len(schedule.timesteps) - 1
    for index in range(noisiest, -1, -1):
        now, beta, timestep = schedule.alphas_cumprod[index], betas[index], schedule.timesteps[index]
        before = now / (1 - beta)
        latents = latents if index == noisiest else moved(latents, move, timestep, float(now))
        eps, place = denoise(latents, timestep)
        clean = (latents - (1 - now) ** 0.5 * eps) / now**0.5
        mean = (before**0.5 * beta * clean + (1 - beta) ** 0.5 * (1 - before) * latents) / (1 - now)
        share = torch.zeros_like(latents) if place is None else (place + 1) / 2
        deviation = torch.exp((share * log_largest[index] + (1 - share) * log_smallest[index]) / 2)
        if shift is not None and (shifted := shift(latents, clean, timestep, deviation)) is not None:
            mean = mean + shifted
        latents = mean + deviation * noise() if index else mean
    return latents
