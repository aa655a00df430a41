"""Condition-aware latent optimisation (CaO2, ICCV 2025): a latent moves to where the model denoises it best.

Images are independent, because Adam is element-wise, the loss is a sum over images and its maximum is taken per image:
a batch gives what one image after the other gives.
"""

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor

from retort.methods.ancestral import Respaced


def draw_indices(steps: int, share: float, iterations: int, rng: np.random.Generator) -> np.ndarray:
    """(iterations,) int64 steps of the respaced schedule, uniform from 1 to int(steps * share) - 1.

    CaO2 has share 1/4 (1/8 in one path of ImageNet-100) of 50 steps. Raises ValueError when that leaves no step.
    """
    end = int(steps * share)
    if end < 2:
        raise ValueError(f"a share of {share:g} of {steps} steps leaves no step to draw from; raise either")
    return rng.integers(1, end, size=iterations)


def refine(
    latents: Tensor,
    noise: Tensor,
    eps: Callable[[Tensor, Tensor], Tensor],
    schedule: Respaced,
    indices: Tensor,
    *,
    lr: float,
    peak_weight: float,
    timestep: str = "index",
    progress: Callable = iter,
) -> tuple[Tensor, Tensor]:
    """The optimised latents (N, C, H, W) and the loss before each iteration, (N, iterations).

    noise (N, C, H, W): one fixed draw per image. indices (N, iterations) int64: steps of the schedule. The loss is
    mean((n - eps)^2) + peak_weight * max|n - eps| per image, minimised by Adam over the latent alone. timestep says
    what the model is told: "index", the index itself, as CaO2's code does although the noise is that of the timestep;
    "mapped", the timestep that the index stands for.
    """
    alphas = torch.from_numpy(schedule.alphas_cumprod).to(latents.device)
    times = torch.tensor(schedule.timesteps, device=latents.device)
    signal, spread = (a.to(latents.dtype) for a in (alphas.sqrt(), (1 - alphas).sqrt()))
    variable = latents.detach().clone().requires_grad_()
    adam = torch.optim.Adam([variable], lr=lr)
    losses = []
    with torch.enable_grad():
        for index in progress(indices.to(latents.device).unbind(1)):
            noisy = signal[index].view(-1, 1, 1, 1) * variable + spread[index].view(-1, 1, 1, 1) * noise
            missed = noise - eps(noisy, index if timestep == "index" else times[index])
            loss = missed.square().flatten(1).mean(1) + peak_weight * missed.abs().flatten(1).amax(1)
            (variable.grad,) = torch.autograd.grad(loss.sum(), variable)  # of the latent alone, not of the weights
            adam.step()
            losses.append(loss.detach())
    return variable.detach(), torch.stack(losses, 1)
