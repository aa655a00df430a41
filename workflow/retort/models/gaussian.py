"""A diffusion model that is known exactly: each class, and the null class, is one normal distribution.

Parts and algorithms are held to it, by the tests and by `retort.parts.check`.
"""

from collections.abc import Sequence

import torch
from torch import Tensor

from retort.base.errors import RetortError
from retort.data.manifest import ClassEntry
from retort.models.interface import Condition


def linear_schedule(timesteps: int = 1000) -> Tensor:
    """alpha-bar of the usual linear schedule, beta from 1e-4 to 0.02 when there are 1,000 timesteps."""
    betas = torch.linspace(0.1 / timesteps, 20 / timesteps, timesteps, dtype=torch.float64)
    return torch.cumprod(1 - betas, 0)


class GaussianDiffusion:
    """LatentDiffusion of data N(mean, diag(variance)), one row (K + 1, C, H, W) per class and the last for null.

    The noise it predicts is the exact posterior mean E[noise | x], which is linear in x. Images are latents.
    `calls` records the timesteps and classes of every evaluation. `place` is what it says of its variance, the same for
    every coordinate: None as from a model that learned none.
    """

    place: float | None = None

    def __init__(self, mean: Tensor, variance: Tensor, alphas_cumprod: Tensor):
        self.mean, self.variance, self.alphas_cumprod = mean, variance, alphas_cumprod
        self.latent_shape = tuple(mean.shape[1:])
        self.device, self.dtype = mean.device, mean.dtype
        self.calls: list[tuple[list[int], list[int]]] = []

    @classmethod
    def random(cls, classes: int = 3, shape: tuple[int, int, int] = (3, 2, 2), seed: int = 0, timesteps: int = 1000):
        rng = torch.Generator().manual_seed(seed)
        mean = torch.randn(classes + 1, *shape, generator=rng, dtype=torch.float64)
        variance = 0.2 + torch.rand(classes + 1, *shape, generator=rng, dtype=torch.float64)
        return cls(mean, variance, linear_schedule(timesteps))

    def encode(self, images: Tensor, generators: Sequence[torch.Generator] | None = None) -> Tensor:
        return images

    def decode(self, latents: Tensor) -> Tensor:
        return latents

    def condition(self, classes: Sequence[ClassEntry]) -> Condition:
        return {"row": torch.tensor([c.index for c in classes])}

    def null(self, n: int) -> Condition:
        return {"row": torch.full((n,), len(self.mean) - 1)}

    def eps(self, latents: Tensor, timesteps: Tensor, condition: Condition) -> Tensor:
        row = condition["row"]
        self.calls.append((timesteps.tolist(), row.tolist()))
        signal = self.alphas_cumprod[timesteps].view(-1, 1, 1, 1)
        total = signal * self.variance[row] + (1 - signal)
        return (1 - signal).sqrt() * (latents - signal.sqrt() * self.mean[row]) / total

    def eps_and_variance(
        self, latents: Tensor, timesteps: Tensor, condition: Condition
    ) -> tuple[Tensor, Tensor | None]:
        eps = self.eps(latents, timesteps, condition)
        return eps, None if self.place is None else torch.full_like(eps, self.place)

    def check_classes(self, classes: Sequence[ClassEntry]) -> None:
        if len(classes) != len(self.mean) - 1:
            raise RetortError(f"the model knows {len(self.mean) - 1} classes but the data set has {len(classes)}")

    def draw(self, row: int, n: int, seed: int) -> Tensor:
        """n data of one class."""
        rng = torch.Generator().manual_seed(seed)
        noise = torch.randn(n, *self.latent_shape, generator=rng, dtype=torch.float64)
        return self.mean[row] + self.variance[row].sqrt() * noise
