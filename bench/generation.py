"""Sampling a set: batches that run across classes, as the workflow cuts them, against one batch for each class.

DDIM with CFG 4. A baseline's batch holds the few images of a class and asks the model for one branch of CFG after the
other; start noise is the same image by image.
"""

import torch
from tests.helpers.parts import sampling as sampling_by

from bench.limits import flops
from bench.networks import CLASSES, guided_by_two_calls, model_row, random_dit, random_latents
from bench.rows import Row, in_turn
from retort.methods.sampling import sample
from retort.models.dit import DiT

GUIDANCE = 4.0
BATCH = 16  # the workflow's default


def measure(full: bool) -> list[Row]:
    model, rows = random_dit(), []
    classes, steps = (32, 50) if full else (16, 10)
    for ipc in (1, 2):
        noise = random_latents(model, classes * ipc)
        with torch.inference_mode():
            seconds, results = in_turn(
                lambda n=noise, i=ipc: across_classes(model, n, i, steps),
                lambda n=noise, i=ipc: class_by_class(model, n, i, steps),
            )
            one = flops(lambda n=noise: across_classes(model, n[:1], 1, steps))
        work = f"generation, {classes} classes, IPC {ipc}, {steps} steps"
        rows.append(model_row(work, model, seconds, results, "latents", len(noise) * one))
    return rows


def across_classes(model: DiT, noise: torch.Tensor, ipc: int, steps: int) -> torch.Tensor:
    """Latents of image n of class n // ipc, in batches of BATCH, as `generate_images` samples them."""
    sampling, found = sampling_by("ddim", steps, None, GUIDANCE), []
    for numbers in torch.arange(len(noise)).split(BATCH):
        classes = [CLASSES[n // ipc] for n in numbers.tolist()]
        condition, labels = model.condition(classes), [entry.index for entry in classes]
        found.append(sample(model, condition, noise[numbers], sampling, labels, None, lambda: None))
    return torch.cat(found)


def class_by_class(model: DiT, noise: torch.Tensor, ipc: int, steps: int) -> torch.Tensor:
    stride, alphas, found = len(model.alphas_cumprod) // steps, model.alphas_cumprod, []
    for entry, x in zip(CLASSES, noise.split(ipc), strict=False):
        condition, null = model.condition([entry] * len(x)), model.null(len(x))
        for t in range(stride * (steps - 1), -1, -stride):
            now, then = alphas[t].item(), alphas[max(1, t - stride)].item()
            eps = guided_by_two_calls(model, x, t, condition, null, GUIDANCE)
            x = then**0.5 * (x - (1 - now) ** 0.5 * eps) / now**0.5 + (1 - then) ** 0.5 * eps
        found.append(x)
    return torch.cat(found)
