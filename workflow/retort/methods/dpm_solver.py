"""DPM-Solver++ with Karras sigmas, as CoDA runs it (Lu et al. 2022; Karras et al. 2022), on any noise schedule."""

import torch
from diffusers.schedulers.scheduling_dpmsolver_multistep import DPMSolverMultistepScheduler
from torch import Tensor

from retort.methods.guidance import Denoiser


def grid(alphas_cumprod: Tensor, steps: int, last: int = 0) -> tuple[list[int], list[float]]:
    """Descending timesteps and their exact sigmas; steps below timestep `last` are left out.

    Timesteps are the sigmas' nearest ones, so the finest repeat. Raises ValueError for steps outside 1..T.
    """
    return _points(_scheduler(alphas_cumprod, steps), last)


def sample(latents: Tensor, denoise: Denoiser, alphas_cumprod: Tensor, steps: int, last: int = 0) -> Tensor:
    """Second-order multistep DPM-Solver++ from pure noise (N, C, H, W), down to timestep `last`.

    `last` > 0 stops early, as when a refiner takes over. The solver computes in float32.
    """
    scheduler = _scheduler(alphas_cumprod, steps)
    scheduler.set_begin_index(0)  # rounded timesteps repeat, so a step cannot be found by its timestep
    for timestep, sigma in zip(*_points(scheduler, last), strict=True):
        eps = denoise(latents, timestep, sigma)
        latents = scheduler.step(eps, torch.tensor(timestep), latents).prev_sample
    return latents


def _scheduler(alphas_cumprod: Tensor, steps: int) -> DPMSolverMultistepScheduler:
    if not 0 < steps <= len(alphas_cumprod):
        raise ValueError(f"steps must lie in 1..{len(alphas_cumprod)}, found {steps}")
    previous = torch.cat([torch.ones(1, dtype=torch.float64), alphas_cumprod[:-1]])
    scheduler = DPMSolverMultistepScheduler(
        num_train_timesteps=len(alphas_cumprod),
        trained_betas=(1 - alphas_cumprod / previous).numpy(),
        algorithm_type="dpmsolver++",
        use_karras_sigmas=True,
    )
    scheduler.alphas_cumprod = alphas_cumprod.float()  # its own, multiplied up from betas in float32, are less exact
    scheduler.set_timesteps(steps)
    return scheduler


def _points(scheduler: DPMSolverMultistepScheduler, last: int) -> tuple[list[int], list[float]]:
    timesteps = [t for t in scheduler.timesteps.tolist() if t >= last]
    return timesteps, scheduler.sigmas[: len(timesteps)].tolist()
