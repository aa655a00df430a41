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
    """Whether it can begin at any step of the DDIM grid, on which inverted latents lie."""

    def grid(self, alphas_cumprod: Tensor, steps: int, first: int | None) -> list[int]:
        """The timesteps at which `sample` asks the model, descending.

        first: the step of the DDIM grid to begin at, counted from the clean end; None, the noisiest, for all samplers
        that are not `on_ddim_grid`.
        """
        raise NotImplementedError

    def sample(
        self,
        latents: Tensor,
        denoise: Denoiser,
        alphas_cumprod: Tensor,
        steps: int,
        first: int | None,
        noise: Callable[[], Tensor],
    ) -> Tensor:
        """Clean latents (N, C, H, W) from starting ones (N, C, H, W).

        alphas_cumprod (T,): float64, the model's schedule. noise() gives fresh standard normal latents (N, C, H, W),
        those of each image seeded by the image.
        """
        raise NotImplementedError
