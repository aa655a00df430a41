"""Sampling: a sampler, a guide and CFG put together, whatever the start and the backbone."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from torch import Tensor

from retort.base.errors import RetortError
from retort.methods.guidance import Guided, Pull, Shift
from retort.models.interface import Condition, LatentDiffusion
from retort.parts.guides import Course, Guide
from retort.parts.samplers import Sampler


@dataclass(frozen=True)
class Sampling:
    """How images are sampled.

    first: the step of the sampler's grid to begin at, counted from the clean end, or -1 where no step is made; None
    begins at the noisiest. guidance: of CFG. channels: CFG acts on this many of the latents' first ones; None: on all.
    """

    sampler: Sampler
    steps: int
    first: int | None
    guidance: float
    guide: Guide | None = None
    channels: int | None = None


def sample(
    model: LatentDiffusion,
    condition: Condition,
    latents: Tensor,
    sampling: Sampling,
    class_indices: Sequence[int],
    targets: Tensor | None,
    noise: Callable[[], Tensor],
    seeds: Sequence[int] = (),
) -> Tensor:
    """Clean latents (N, C, H, W) from starting latents (N, C, H, W) under a condition of N images.

    class_indices: the label of each image. targets: (N, C, H, W) latents of representatives, for a guide that has
    them, or None. noise() gives fresh normal latents (N, C, H, W), for samplers that ask for them. seeds: one of each
    image, for guides that draw. Raises RetortError naming the guide that gives what has another shape or precision, or
    that makes the latents not finite.
    """
    if sampling.first == -1:
        return latents
    alphas, held = model.alphas_cumprod, None
    if sampling.guide:
        grid = sampling.sampler.grid(alphas, sampling.steps, sampling.first)
        held = _Held(sampling.guide, Course(alphas, grid, class_indices, targets, seeds))
    terms = held.terms() if held else {}
    denoise = Guided(model, condition, sampling.guidance, **terms, channels=sampling.channels)
    found = sampling.sampler.sample(latents, denoise, alphas, sampling.steps, sampling.first, noise)
    if held:
        held.check(found)
    return found


def signal_of(sampling: Sampling, alphas_cumprod: Tensor) -> float | None:
    """abar of the latents at which sampling begins: 1 where no step is made, None for pure noise."""
    if sampling.first is None:
        return None
    return 1.0 if sampling.first == -1 else sampling.sampler.signal(alphas_cumprod, sampling.steps, sampling.first)


class _Held:
    """What a guide does, held to what it promises; nothing waits for the device until the end."""

    def __init__(self, guide: Guide, course: Course):
        self._guide, self._course = guide, course
        self._broke: list[tuple[int, Tensor]] = []  # at each timestep, whether finite numbers became others

    def terms(self) -> dict[str, Pull | Shift]:
        """The guide's term, by the name of the argument of `Guided` that takes it."""
        if (form := self._guide.acts_on()) == "conditional":
            pull = self._guide.pull(self._course)
            return {"pull": lambda latents, eps, *at: self._like(eps, pull(latents, eps, *at), at[0], "a prediction")}
        shift = self._guide.shift(self._course)

        def shifted(latents: Tensor, clean: Tensor, timestep: int, deviation: Tensor | float | None) -> Tensor | None:
            moved = shift(latents, clean, timestep, deviation)
            return None if moved is None else self._like(clean, moved, timestep, "a shift")

        return {{"posterior": "mean_shift", "clean": "clean_shift"}[form]: shifted}

    def _like(self, given: Tensor, found: Tensor, timestep: int, what: str) -> Tensor:
        """What the guide made of what it was given, where the two are alike in shape and precision."""
        has, wanted = ((tuple(tensor.shape), tensor.dtype) for tensor in (found, given))
        if has != wanted:
            raise RetortError(
                f"{self._named()} gives {what} of shape {has[0]} and {has[1]} at timestep {timestep}, where "
                f"{wanted[0]} and {wanted[1]} are wanted; this is a mistake in the code of the guide"
            )
        self._broke.append((timestep, given.isfinite().all() & ~found.isfinite().all()))
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
