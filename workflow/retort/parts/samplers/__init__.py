"""Samplers: from starting latents to clean ones, by asking a model for the noise in them."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, ClassVar

from retort.parts.part import Part

if TYPE_CHECKING:
    from torch import Tensor

    from retort.methods.guidance import Denoiser


class Sampler(Part):
    """A way to sample; every sampler has these two methods."""

    family = "samplers"
    usual_steps: ClassVar[int] = 50
    """Steps where a method names none."""
    on_ddim_grid: ClassVar[bool] = False
    """Whether its grid is that of DDIM, on which inverted latents lie."""
    more_calls: ClassVar[int] = 0
    """How many more times than steps the model is asked, where a step is made twice."""
    moves_latents: ClassVar[bool] = False
    """Whether latents may be moved between its steps: whether it adds to them what `denoise.move`, if any, gives,
    before each step but the first (see `retort.methods.guidance.moved`)."""

    def steps_are_random(self) -> bool:
        """Whether each step adds noise around a mean, to which it adds what `denoise.mean_shift`, if any, gives."""
        return False

    def grid(self, alphas_cumprod: Tensor, steps: int, first: int | None) -> list[int]:
        """The timesteps at which `sample` asks the model, descending.

        first: the step of the grid to begin at, counted from the clean end, for latents with the noise of that step;
        None, the noisiest, for pure noise.
        """
        raise NotImplementedError

    def signal(self, alphas_cumprod: Tensor, steps: int, first: int) -> float:
        """abar of the latents at which sampling begins: sqrt(abar) of what is clean and sqrt(1 - abar) of noise."""
        return float(alphas_cumprod[self.grid(alphas_cumprod, steps, first)[0]])

    def sample(
        self,
        latents: Tensor,
        denoise: Denoiser,
        alphas_cumprod: Tensor,
        steps: int,
        first: int | None,
        noise: Callable[[], Tensor],
    ) -> Tensor:
        """Clean latents (N, C, H, W) from starting ones (N, C, H, W), at the noise of step `first` of the grid.

        alphas_cumprod (T,): float64, the model's schedule. noise() gives fresh standard normal latents (N, C, H, W),
        those of each image seeded by the image.
        """
        raise NotImplementedError
