"""AutoencoderKL behind the encode/decode half of the model interface."""

from collections.abc import Sequence
from pathlib import Path

import torch
from diffusers.models.autoencoders.autoencoder_kl import AutoencoderKL
from torch import Tensor


class Codec:
    """Images in [-1, 1] to scaled latents and back; scaled means multiplied by the VAE's own scaling factor."""

    def __init__(self, vae: AutoencoderKL, resolution: int):
        self.vae = vae.eval().requires_grad_(False)
        self.resolution = resolution
        shrink = 2 ** (len(vae.config.block_out_channels) - 1)
        self.latent_shape = (vae.config.latent_channels, resolution // shrink, resolution // shrink)

    @classmethod
    def load(cls, directory: str | Path, resolution: int, dtype: torch.dtype, device: torch.device) -> "Codec":
        """From an AutoencoderKL directory; only safetensors weights are read."""
        vae = AutoencoderKL.from_pretrained(
            directory, torch_dtype=dtype, use_safetensors=True, local_files_only=True, low_cpu_mem_usage=False
        )
        return cls(vae.to(device), resolution)

    def encode(self, images: Tensor, generators: Sequence[torch.Generator] | None = None) -> Tensor:
        """(N, 3, h, w) in [-1, 1] to float32 latents (N, C, H, W): the posterior mean, or one seeded draw per image."""
        posterior = self.vae.encode(images.to(self.vae.device, self.vae.dtype)).latent_dist
        latents = posterior.mean
        if generators is not None:
            noise = torch.stack([torch.randn(self.latent_shape, generator=g) for g in generators])
            latents = latents + posterior.std * noise.to(latents)
        return (latents * self.vae.config.scaling_factor).float()

    def decode(self, latents: Tensor) -> Tensor:
        """Scaled latents (N, C, H, W) to float32 images (N, 3, h, w), nominally in [-1, 1]."""
        latents = latents.to(self.vae.device, self.vae.dtype) / self.vae.config.scaling_factor
        return self.vae.decode(latents).sample.float()
