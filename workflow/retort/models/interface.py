"""The one interface between methods and diffusion models."""

from collections.abc import Sequence
from typing import Protocol

import torch
from torch import Tensor

from retort.data.manifest import ClassEntry

# What a model is conditioned on: named tensors whose first dimension is the batch. A DiT has one entry (the
# class index); a text-to-image model has several (prompt embeddings, pooled embeddings, ...).
Condition = dict[str, Tensor]


class LatentDiffusion(Protocol):
    """A latent diffusion model as the methods see it. Latents are scaled to unit variance throughout."""

    alphas_cumprod: Tensor
    """(T,) float64 on the CPU: the training noise schedule, alpha-bar of each timestep."""
    latent_shape: tuple[int, int, int]
    """(C, H, W) of one latent."""
    device: torch.device
    dtype: torch.dtype

    def encode(self, images: Tensor, generators: Sequence[torch.Generator] | None = None) -> Tensor:
        """(N, 3, h, w) in [-1, 1] to scaled latents (N, C, H, W).

        The posterior mean, or a draw with one generator per image, so that a draw belongs to its image and
        not to its batch.
        """

    def decode(self, latents: Tensor) -> Tensor:
        """Scaled latents (N, C, H, W) to images (N, 3, h, w), nominally in [-1, 1]."""

    def condition(self, classes: Sequence[ClassEntry]) -> Condition:
        """The conditional branch for one class per image."""

    def null(self, n: int) -> Condition:
        """The unconditional branch for n images."""

    def eps(self, latents: Tensor, timesteps: Tensor, condition: Condition) -> Tensor:
        """Predicted noise (N, C, H, W) for latents (N, C, H, W) at timesteps (N,) int64."""

    def eps_and_variance(
        self, latents: Tensor, timesteps: Tensor, condition: Condition
    ) -> tuple[Tensor, Tensor | None]:
        """The same, with what a model that learned its variance says of it: (N, C, H, W), nominally in [-1, 1].

        -1 is the smallest variance that the schedule allows, 1 the largest, in between in logarithms; None from others.
        """

    def check_classes(self, classes: Sequence[ClassEntry]) -> None:
        """Raises RetortError when the model cannot be conditioned on these classes, all of the data set."""


def join(*conditions: Condition) -> Condition:
    """Conditions stacked along the batch."""
    return {key: torch.cat([c[key] for c in conditions]) for key in conditions[0]}
