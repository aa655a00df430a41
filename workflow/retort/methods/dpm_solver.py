"""DPM-Solver++ with Karras sigmas, as CoDA runs it (Lu et al. 2022; Karras et al. 2022), or with even timesteps, as ASF
does, on any noise schedule."""

import torch
from diffusers.schedulers.scheduling_dpmsolver_multistep import DPMSolverMultistepScheduler
from torch import Tensor

from retort.methods.guidance import Denoiser, Move, moved


def grid(
    alphas_cumprod: Tensor, steps: int, last: int = 0, first: int | None = None, karras: bool = True
) -> tuple[list[int], list[float]]:
    """Descending timesteps and their exact sigmas; steps below timestep `last` are left out, and those before `first`,
    which is counted from the clean end (None: no step).

    Timesteps are the nearest ones of Karras' sigmas, so the finest repeat; without karras they are spread evenly from
    T - 1 to 0, without 0 itself. Raises ValueError for steps outside 1..T.
    """
    return _points(_scheduler(alphas_cumprod, steps, karras), last, _begin(steps, first))


def sample(
    latents: Tensor,
    denoise: Denoiser,
    alphas_cumprod: Tensor,
    steps: int,
    last: int = 0,
    first: int | None = None,
    karras: bool = True,
    move: Move | None = None,
) -> Tensor:
    """Second-order multistep DPM-Solver++ from noisy latents (N, C, H, W), down to timestep `last`.

    They are pure noise, or lie at the sigma of step `first`, counted from the clean end, where the solver begins with
    no memory. `last` > 0 stops early, as when a refiner takes over. What move gives is added to the latents before each
    step but the first. The solver computes in float32.
    """
    scheduler, begin = _scheduler(alphas_cumprod, steps, karras), _begin(steps, first)
    scheduler.set_begin_index(begin)  # rounded timesteps repeat, so a step cannot be found by its timestep
    for number, (timestep, sigma) in enumerate(zip(*_points(scheduler, last, begin), strict=True)):
        latents = moved(latents, move, timestep, 1 / (1 + sigma**2)) if number else latents
        eps = denoise(latents, timestep, sigma)
        latents = scheduler.step(eps, torch.tensor(timestep), latents).prev_sample
    return latents


def _scheduler(alphas_cumprod: Tensor, steps: int, karras: bool) -> DPMSolverMultistepScheduler:
    if not 0 < steps <= len(alphas_cumprod):
        raise ValueError(f"steps must lie in 1..{len(alphas_cumprod)}, found {steps}")
    previous = torch.cat([torch.ones(1, dtype=torch.float64), alphas_cumprod[:-1]])
    scheduler = DPMSolverMultistepScheduler(
        num_train_timesteps=len(alphas_cumprod),
        trained_betas=(1 - alphas_cumprod / previous).numpy(),
        algorithm_type="dpmsolver++",
        use_karras_sigmas=karras,
    )
    scheduler.alphas_cumprod = alphas_cumprod.float()  # its own, multiplied up from betas in float32, are less exact
    scheduler.set_timesteps(steps)
    return scheduler


def _begin(steps: int, first: int | None) -> int:
    """The index of step `first` on a descending grid."""
    return 0 if first is None else steps - 1 - first


def _points(scheduler: DPMSolverMultistepScheduler, last: int, begin: int) -> tuple[list[int], list[float]]:
    timesteps = [t for t in scheduler.timesteps.tolist() if t >= last]
    return timesteps[begin:], scheduler.sigmas[begin : len(timesteps)].tolist()
