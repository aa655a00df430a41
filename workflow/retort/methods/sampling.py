"""Sampling: a sampler, a guide and CFG put together, whatever the start and the backbone."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from torch import Tensor

from retort.methods.guidance import Guided
from retort.models.interface import Condition, LatentDiffusion
from retort.parts.guides import Course, Guide
from retort.parts.samplers import Sampler


@dataclass(frozen=True)
class Sampling:
    """How images are sampled.

    first: the step of the DDIM grid to begin at, counted from the clean end; None begins at the noisiest, as samplers
    on other grids always do. guidance: of CFG.
    """

    sampler: Sampler
    steps: int
    first: int | None
    guidance: float
    guide: Guide | None = None


def sample(
    model: LatentDiffusion,
    condition: Condition,
    latents: Tensor,
    sampling: Sampling,
    class_indices: Sequence[int],
    targets: Tensor | None,
    noise: Callable[[], Tensor],
) -> Tensor:
    """Clean latents (N, C, H, W) from starting latents (N, C, H, W) under a condition of N images.

    class_indices: the label of each image. targets: (N, C, H, W) latents of representatives, for a guide that has
    them, or None. noise() gives fresh normal latents (N, C, H, W), for samplers that ask for them.
    """
    alphas, pull = model.alphas_cumprod, None
    if sampling.guide:
        grid = sampling.sampler.grid(alphas, sampling.steps, sampling.first)
        pull = sampling.guide.pull(Course(alphas, grid, class_indices, targets))
    denoise = Guided(model, condition, sampling.guidance, pull)
    return sampling.sampler.sample(latents, denoise, alphas, sampling.steps, sampling.first, noise)
