"""Typicality (DDPS): both prompts, and images or draws, in one call against a call for each image, prompt and draw."""

import torch

from bench.limits import flops
from bench.networks import CLASSES, model_row, random_dit, random_latents
from bench.rows import Row, in_turn
from retort.methods.typicality import draw_noises, typicality_maps
from retort.models.dit import DiT

BATCH = 16  # the workflow's default
Draws = tuple[torch.Tensor, torch.Tensor]


def measure(full: bool) -> list[Row]:
    model = random_dit()
    images, draws = (16, 100) if full else (16, 16)
    latents, generator = random_latents(model, images), torch.Generator().manual_seed(2)
    drawn = draw_noises(model.latent_shape, draws, len(model.alphas_cumprod), 0.1, 0.7, generator)
    drawn = tuple(part.to(model.device) for part in drawn)
    with torch.inference_mode():
        seconds, maps = in_turn(
            lambda: one_by_one(model, latents, drawn),
            lambda: batched(model, latents, drawn, BATCH, 1),
            lambda: batched(model, latents, drawn, 1, BATCH),
        )
        one = flops(lambda: batched(model, latents[:1], drawn, 1, draws))
    rows = []
    for what, fast, found in zip(("images", "draws"), seconds[1:], maps[1:], strict=True):
        work = f"typicality, {images} images, {draws} draws; {BATCH} {what} at once"
        both = (fast, seconds[0]), (found, maps[0])
        rows.append(model_row(work, model, *both, "maps", images * one, slack=10))  # small differences of large errors
    return rows


def batched(model: DiT, latents: torch.Tensor, drawn: Draws, images: int, draws: int) -> torch.Tensor:
    """Maps (N, H, W) as `score_typicality` computes them: `images` at a time, and of these `draws` at a time."""
    found = []
    for chunk in latents.split(images):
        branches = model.condition(CLASSES[:1] * len(chunk)), model.null(len(chunk))
        found.append(typicality_maps(model, chunk, *branches, *drawn, draws))
    return torch.cat(found)


def one_by_one(model: DiT, latents: torch.Tensor, drawn: Draws) -> torch.Tensor:
    condition, null = model.condition(CLASSES[:1]), model.null(1)
    maps = []
    for latent in latents.split(1):
        differences = []
        for noise, time in zip(*(part.split(1) for part in drawn), strict=True):
            signal = model.alphas_cumprod[int(time)].item()
            noisy = signal**0.5 * latent + (1 - signal) ** 0.5 * noise
            with_class = (model.eps(noisy, time, condition) - noise).square()
            differences.append(((model.eps(noisy, time, null) - noise).square() - with_class).mean(1))
        maps.append(torch.cat(differences).mean(0))
    return torch.stack(maps)
