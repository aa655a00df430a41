"""A model that is asked for many images in parts, where they must be sampled at once and do not fit into memory so."""

from collections.abc import Callable

import torch
from torch import Tensor

from retort.models.interface import Condition, LatentDiffusion


def in_parts(model: LatentDiffusion, images: int, size: int) -> LatentDiffusion:
    """The model, asked for at most `size` of `images` images at once; the model itself where that is all of them."""
    return model if images <= size else _InParts(model, images, size)


class _InParts:
    """A call may be of several branches, as guidance stacks them: branch after branch, each of all images."""

    def __init__(self, model: LatentDiffusion, images: int, size: int):
        self._model = model
        self._parts = [range(first, min(first + size, images)) for first in range(0, images, size)]
        self._images = images

    def __getattr__(self, name: str):
        return getattr(self._model, name)

    def eps(self, latents: Tensor, timesteps: Tensor, condition: Condition) -> Tensor:
        return self._joined(lambda *part: (self._model.eps(*part),), latents, timesteps, condition)[0]

    def eps_and_variance(
        self, latents: Tensor, timesteps: Tensor, condition: Condition
    ) -> tuple[Tensor, Tensor | None]:
        return self._joined(self._model.eps_and_variance, latents, timesteps, condition)

    def decode(self, latents: Tensor) -> Tensor:
        return torch.cat([self._model.decode(latents[part.start : part.stop]) for part in self._parts])

    def _joined(
        self, ask: Callable[..., tuple[Tensor | None, ...]], latents: Tensor, timesteps: Tensor, condition: Condition
    ) -> tuple[Tensor | None, ...]:
        """What is said of each part, with all its branches, put back in the order of the call."""
        branches = range(0, len(latents), self._images)
        order = [branch + i for part in self._parts for branch in branches for i in part]
        said = []
        for part in self._parts:
            rows = [branch + i for branch in branches for i in part]
            said.append(ask(latents[rows], timesteps[rows], {key: value[rows] for key, value in condition.items()}))
        back = torch.tensor(order, device=latents.device).argsort()
        return tuple(None if each[0] is None else torch.cat(each)[back] for each in zip(*said, strict=True))
