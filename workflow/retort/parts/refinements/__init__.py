"""Refinements: what is done to the latents of images that were generated and kept."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from retort.parts.part import Part

if TYPE_CHECKING:
    from torch import Tensor

    from retort.data.manifest import ClassEntry
    from retort.models.interface import LatentDiffusion


class Refinement(Part):
    """A refinement of latents by the model that they were sampled from."""

    family = "refinements"
    stage = "refine_latents"

    def passes(self) -> int:
        """How often the model is asked, and its gradient computed, for an image."""
        raise NotImplementedError

    def refined(
        self,
        model: LatentDiffusion,
        latents: Tensor,
        entries: Sequence[ClassEntry],
        draws: Sequence[tuple[str | int, ...]],
        progress: Callable,
    ) -> tuple[Tensor, Tensor]:
        """Latents (N, C, H, W) refined, and the losses before each pass, (N, passes), on the device of `latents`.

        entries: the class of each image. draws: what seeds each image (see `retort.base.seeds`). progress wraps what
        is iterated over. What becomes of an image may not depend on the others of the batch.
        """
        raise NotImplementedError
