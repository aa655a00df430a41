"""What every adapter of a diffusion network has: the network, its noise schedule, the codec of its latents."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from retort.models.codec import Codec


class Backbone:
    """A frozen network in evaluation mode, with the parts of the model interface that do not depend on its kind.

    decoder: the codec that turns latents into images, `codec` unless another of the same latents is put in its place.
    """

    def __init__(self, network: nn.Module, alphas_cumprod: Tensor, codec: Codec):
        self.network = network.eval().requires_grad_(False)
        self.alphas_cumprod = alphas_cumprod.double().cpu()
        self.codec = self.decoder = codec

    @property
    def networks(self) -> list[nn.Module]:
        """Those that predict noise."""
        return [self.network]

    @property
    def device(self) -> torch.device:
        return self.network.device

    @property
    def dtype(self) -> torch.dtype:
        return self.network.dtype

    def encode(self, images: Tensor, generators: Sequence[torch.Generator] | None = None) -> Tensor:
        return self.codec.encode(images, generators)

    def decode(self, latents: Tensor) -> Tensor:
        return self.decoder.decode(latents)
