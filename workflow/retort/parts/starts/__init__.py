"""Starts: the noisy latents from which images are sampled."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from retort.parts.part import Part

if TYPE_CHECKING:
    from torch import Tensor


class Start(Part):
    """A way to start; the latent of an image depends on that image alone."""

    family = "starts"

    def latent(self, noise: Callable[[], Tensor], drawn: Tensor | None) -> Tensor:
        """(C, H, W) float32, the latent that an image starts from.

        noise() gives standard normal latents (C, H, W) from the image's own generator, whatever the method: the first
        one is the same for all methods. drawn: what `choose_starts` drew for the image, for starts with that stage;
        otherwise None.
        """
        raise NotImplementedError

    def begin(self, noise: Callable[[], Tensor], drawn: Tensor | None, signal: float | None) -> Tensor:
        """The same, of a start that lies at a known noise: signal is abar there, or None where it is pure noise."""
        return self.latent(noise, drawn)

    def begins(self, steps: int) -> int | None:
        """The step of the sampler's grid at which sampling begins, counted from the clean end, where there are so many
        steps; -1 where none is made, None for the noisiest."""
        return None

    def begun(self) -> str:
        """What sampling starts from, after "from"."""
        return self.in_words()

    def in_full(self, record) -> str:
        """What is to be said beside `begun`."""
        return ""

    def drawn(self) -> Start:
        """What a draw by an inversion's statistics depends on."""
        return self

    def first(self, stop: int) -> int:
        """The step of the DDIM grid at which sampling begins, after an inversion to step `stop`."""
        return stop
