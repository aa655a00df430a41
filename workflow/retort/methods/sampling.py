"""Sampling: a sampler, a guide and CFG put together, whatever the start and the backbone."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from torch import Tensor

from retort.base.errors import RetortError
from retort.methods.guidance import Guided, Pull
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
    them, or None. noise() gives fresh normal latents (N, C, H, W), for samplers that ask for them. Raises RetortError
    naming the guide that gives predictions of another shape or precision, or that makes the latents not finite.
    """
    alphas, pull = model.alphas_cumprod, None
    if sampling.guide:
        grid = sampling.sampler.grid(alphas, sampling.steps, sampling.first)
        pull = _Held(sampling.guide, sampling.guide.pull(Course(alphas, grid, class_indices, targets)))
    denoise = Guided(model, condition, sampling.guidance, pull)
    found = sampling.sampler.sample(latents, denoise, alphas, sampling.steps, sampling.first, noise)
    if pull:
        pull.check(found)
    return found


class _Held:
    """The pull of a guide, held to what it promises; nothing waits for the device until the end."""

    def __init__(self, guide: Guide, pull: Pull):
        self._guide, self._pull = guide, pull
        self._broke: list[tuple[int, Tensor]] = []  # at each timestep, whether finite predictions became others

    def __call__(self, latents: Tensor, conditional: Tensor, timestep: int, sigma: float | None) -> Tensor:
        found = self._pull(latents, conditional, timestep, sigma)
        given, wanted = ((tuple(tensor.shape), tensor.dtype) for tensor in (found, conditional))
        if given != wanted:
            raise RetortError(
                f"{self._named()} gives a prediction of shape {given[0]} and {given[1]} at timestep {timestep}, where "
                f"{wanted[0]} and {wanted[1]} are wanted; this is a mistake in the code of the guide"
            )
        self._broke.append((timestep, conditional.isfinite().all() & ~found.isfinite().all()))
        return found

    def check(self, latents: Tensor) -> None:
        """Raises RetortError where latents are not finite, and the guide is why."""
        if latents.isfinite().all():
            return
        if (since := next((timestep for timestep, broke in self._broke if broke), None)) is not None:
            raise RetortError(
                f"{self._named()} makes finite predictions not finite, from timestep {since} on; change its keys, or "
                "mend its code"
            )

    def _named(self) -> str:
        return f"the guide {self._guide.named_with_file()}"
