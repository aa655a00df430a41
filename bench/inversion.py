"""DDIM inversion (D3HR), to the mean and variance of a class: what is needed against what the reference computes.

Ours stops at step 30, asks the model for both branches of CFG at once and keeps running moments. The baseline runs on
to step 38 as the reference does, asks for one branch after the other, and keeps all latents of the last 15 steps until
their statistics are taken. On a GPU ours is compiled, in bfloat16, and the baseline eager, in float16.
"""

import numpy as np
import torch
from torch import nn

from bench.limits import flops
from bench.networks import CLASSES, guided_by_two_calls, model_row, random_dit, random_latents
from bench.rows import Row, in_turn
from retort.methods.ddim import invert
from retort.methods.guidance import Guided
from retort.methods.moments import RunningMoments
from retort.models.dit import DiT

STEPS, STOP, RUN_TO, KEPT, GUIDANCE = 50, 30, 38, 15, 4.0


def measure(full: bool) -> list[Row]:
    batch = 16
    fast, plain = random_dit(), random_dit()
    if fast.device.type == "cuda":
        fast.network.compile(dynamic=False)
        nn.Module.half(plain.network)
    images = random_latents(fast, 16 * batch if full else 4 * batch)
    with torch.inference_mode():
        streamed(fast, images[:batch], batch)
        seconds, (ours, theirs) = in_turn(lambda: streamed(fast, images, batch), lambda: kept(plain, images, batch))
        both, times = plain.condition(CLASSES[:1] * 2), torch.tensor([500, 500], device=plain.device)
        call = flops(lambda: plain.eps(images[:2], times, both))
    work = f"inversion, {len(images)} images in batches of {batch}"
    return [model_row(work, fast, seconds, (ours, theirs), "mean and variance", len(images) * STOP * call)]


def streamed(model: DiT, latents: torch.Tensor, batch: int) -> torch.Tensor:
    """Mean and variance (2, C, H, W) at step STOP, as `invert_latents` computes them."""
    moments = RunningMoments(model.latent_shape)
    for chunk in latents.split(batch):
        denoise = Guided(model, model.condition(CLASSES[:1] * len(chunk)), GUIDANCE)
        moments.add(invert(chunk, denoise, model.alphas_cumprod, STEPS, STOP).cpu().numpy())
    return torch.from_numpy(np.stack([moments.mean, moments.variance]))


def kept(model: DiT, latents: torch.Tensor, batch: int) -> torch.Tensor:
    """The same from latents of KEPT steps of all images, of which one step counts."""
    stride, alphas, trajectories = len(model.alphas_cumprod) // STEPS, model.alphas_cumprod, []
    for x in latents.split(batch):
        condition, null = model.condition(CLASSES[:1] * len(x)), model.null(len(x))
        visited = []
        for step in range(1, RUN_TO + 1):
            now, then = alphas[stride * (step - 1)].item(), alphas[stride * step].item()
            eps = guided_by_two_calls(model, x, stride * step, condition, null, GUIDANCE)
            x = (x - (1 - now) ** 0.5 * eps) * (then / now) ** 0.5 + (1 - then) ** 0.5 * eps
            visited.append(x.cpu())
        trajectories.append(torch.stack(visited[-KEPT:]))
    at_stop = torch.cat(trajectories, 1)[STOP - RUN_TO - 1].double()
    return torch.stack([at_stop.mean(0), at_stop.var(0)])
