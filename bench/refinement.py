"""Latent refinement (CaO2): a batch of images against one image after the other, as the paper's code does.

Noise, steps and rate as in the default config; images are independent, so both sides give the same latents.
"""

import numpy as np
import torch

from bench.limits import flops
from bench.networks import model_row, random_dit, random_latents
from bench.rows import Row, in_turn
from retort.methods.ancestral import respace
from retort.methods.refinement import draw_indices, refine
from retort.models.dit import DiT

STEPS, SHARE = 50, 0.25
BATCH = 16  # the workflow's default


def measure(full: bool) -> list[Row]:
    images, iterations = (48, 100) if full else (32, 10)
    model = random_dit()
    latents, noise = random_latents(model, images, seed=1), random_latents(model, images, seed=2)
    draws = [draw_indices(STEPS, SHARE, iterations, np.random.default_rng(image)) for image in range(images)]
    given = latents, noise, torch.from_numpy(np.stack(draws))
    seconds, results = in_turn(lambda: refined(model, given, BATCH), lambda: refined(model, given, 1))
    one = flops(lambda: refined(model, [part[:1, :1] if part.ndim == 2 else part[:1] for part in given], 1))
    work = f"refinement, {images} images, {iterations} iterations"
    return [model_row(work, model, seconds, results, "latents", images * iterations * one)]


def refined(model: DiT, given: list[torch.Tensor], batch: int) -> torch.Tensor:
    """Latents (N, C, H, W), `batch` at a time. given: latents and noise (N, C, H, W), steps (N, iterations)."""
    schedule = respace(model.alphas_cumprod, STEPS)
    found = []
    for latents, noise, indices in zip(*(part.split(batch) for part in given), strict=True):
        null = model.null(len(latents))
        denoise = lambda x, t, null=null: model.eps(x, t, null)  # noqa: E731
        found.append(refine(latents, noise, denoise, schedule, indices, lr=6e-4, peak_weight=10.0)[0])
    return torch.cat(found)
