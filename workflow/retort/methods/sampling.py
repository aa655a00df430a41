"""Every sampler behind one call: whatever the start, the guide and the backbone."""

from collections.abc import Callable
from dataclasses import dataclass

from torch import Tensor

from retort.methods import ancestral, ddim, dpm_solver
from retort.methods.guidance import guided, guided_with_variance
from retort.methods.representative import pull_towards, stop_timestep
from retort.models.interface import Condition, LatentDiffusion


@dataclass(frozen=True)
class Sampling:
    """How images are sampled.

    sampler: "ddim", "ddpm" or "dpm++". first: the step of the DDIM grid to begin at, counted from the clean end; None
    begins at the noisiest, as the other samplers always do. guidance: of CFG. strength and until: CoDA's guide, where
    there is one.
    """

    sampler: str
    steps: int
    first: int | None
    guidance: float
    strength: float = 0.0
    until: float = 1.0


def sample(
    model: LatentDiffusion,
    condition: Condition,
    latents: Tensor,
    sampling: Sampling,
    targets: Tensor | None,
    noise: Callable[[], Tensor],
) -> Tensor:
    """Clean latents (N, C, H, W) from starting latents (N, C, H, W) under a condition of N images.

    targets: (N, C, H, W) latents of representatives that the guide draws towards, or None. noise() gives fresh normal
    latents (N, C, H, W); only the ancestral sampler asks for them. Raises ValueError for an unknown sampler.
    """
    alphas, pull = model.alphas_cumprod, None
    grid = timesteps(alphas, sampling)
    if targets is not None:
        pull = pull_towards(targets, alphas, sampling.strength, stop_timestep(grid, sampling.until))
    if sampling.sampler == "ddpm":
        denoise = guided_with_variance(model, condition, sampling.guidance, pull)
        return ancestral.sample(latents, denoise, alphas, sampling.steps, noise)
    denoise = guided(model, condition, sampling.guidance, pull)
    if sampling.sampler == "dpm++":
        return dpm_solver.sample(latents, denoise, alphas, sampling.steps)
    return ddim.sample(latents, denoise, alphas, sampling.steps, _first(sampling))


def timesteps(alphas_cumprod: Tensor, sampling: Sampling) -> list[int]:
    """The timesteps at which the model is asked, descending. Raises ValueError for an unknown sampler."""
    match sampling.sampler:
        case "ddim":
            return ddim.grid(alphas_cumprod, sampling.steps, _first(sampling))
        case "ddpm":
            return ancestral.respace(alphas_cumprod, sampling.steps).timesteps[::-1]
        case "dpm++":
            return dpm_solver.grid(alphas_cumprod, sampling.steps)[0]
    raise ValueError(f"no sampler is called {sampling.sampler!r}; there are ddim, ddpm and dpm++")


def _first(sampling: Sampling) -> int:
    return sampling.steps - 1 if sampling.first is None else sampling.first
