"""Sampling: a sampler, guides and CFG put together, whatever the start and the backbone."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from torch import Tensor

from retort.methods.guidance import Guided
from retort.methods.terms import Terms
from retort.models.interface import Condition, LatentDiffusion
from retort.parts.guides import Course, Guide
from retort.parts.samplers import Sampler


@dataclass(frozen=True)
class Sampling:
    """How images are sampled.

    first: the step of the sampler's grid to begin at, counted from the clean end, or -1 where no step is made; None
    begins at the noisiest. guidance: of CFG. guides: what they do adds up, in any order; those of sets agree on the
    size of a set. channels: CFG acts on this many of the latents' first ones; None: on all.
    """

    sampler: Sampler
    steps: int
    first: int | None
    guidance: float
    guides: Sequence[Guide] = ()
    channels: int | None = None

    def set_size(self, number: int) -> int | None:
        """Of how many of a class's `number` images a set is that is sampled at once; None: each image is alone."""
        return next((size for guide in self.guides if (size := guide.set_size(number)) is not None), None)


def sample(
    model: LatentDiffusion,
    condition: Condition,
    latents: Tensor,
    sampling: Sampling,
    class_indices: Sequence[int],
    targets: Tensor | None,
    noise: Callable[[], Tensor],
    seeds: Sequence[int] = (),
    means: Tensor | None = None,
    sets: Sequence[Sequence[int]] | None = None,
) -> Tensor:
    """Clean latents (N, C, H, W) from starting latents (N, C, H, W) under a condition of N images.

    class_indices: the label of each image. targets: (N, C, H, W) latents of representatives, for a guide that has
    them, or None. noise() gives fresh normal latents (N, C, H, W), for samplers that ask for them. seeds: one of each
    image, for guides that draw. means: (N, C, H, W), of the latents of each image's class, for guides that read them.
    sets: the rows of each set of images, for guides of sets; None where all are one. Raises RetortError naming the
    guide that gives what has another shape or precision, or that makes the latents not finite.
    """
    if sampling.first == -1:
        return latents
    alphas, terms = model.alphas_cumprod, None
    if sampling.guides:
        grid = sampling.sampler.grid(alphas, sampling.steps, sampling.first)
        terms = Terms(sampling.guides, Course(alphas, grid, class_indices, targets, seeds, means), sets)
    added = terms.arguments() if terms else {}
    denoise = Guided(model, condition, sampling.guidance, **added, channels=sampling.channels)
    found = sampling.sampler.sample(latents, denoise, alphas, sampling.steps, sampling.first, noise)
    if terms:
        terms.check(found)
    return found


def signal_of(sampling: Sampling, alphas_cumprod: Tensor) -> float | None:
    """abar of the latents at which sampling begins: 1 where no step is made, None for pure noise."""
    if sampling.first is None:
        return None
    return 1.0 if sampling.first == -1 else sampling.sampler.signal(alphas_cumprod, sampling.steps, sampling.first)
