"""AutoencoderKL behind the encode/decode half of the model interface."""

from collections.abc import Sequence
from pathlib import Path

import torch
from diffusers.models.autoencoders.autoencoder_kl import AutoencoderKL
from torch import Tensor

from retort.base.errors import RetortError
from retort.base.files import read_json
from retort.models.contents import needs_float32
from retort.models.economy import borrowed, laid_out
from retort.models.weights import load_weights

SLICED_FROM = 512  # pixels a side: one such image fills a GPU, and 64 of 1,024 do not fit into 80 GB
UNKNOWN_SCALES = ("shift_factor", "latents_mean", "latents_std")


class Codec:
    """Images in [-1, 1] to scaled latents and back; scaled means multiplied by the VAE's own scaling factor.

    device: where it computes, the VAE's own by default; a VAE that waits elsewhere moves there and back.
    """

    def __init__(self, vae: AutoencoderKL, resolution: int, device: torch.device | None = None):
        self.vae = vae.eval().requires_grad_(False)
        self.resolution = resolution
        self.device = device or vae.device
        shrink = 2 ** (len(vae.config.block_out_channels) - 1)
        self.latent_shape = (vae.config.latent_channels, resolution // shrink, resolution // shrink)

    @classmethod
    def load(
        cls,
        directory: str | Path,
        resolution: int,
        dtype: torch.dtype,
        device: torch.device,
        *,
        slicing: bool = False,
        offload: bool = False,
        load_as: str = "auto",
    ) -> "Codec":
        """From an AutoencoderKL directory; only safetensors weights are read.

        One whose config asks for an upcast runs in float32 where dtype is float16, in which it would overflow. Raises
        RetortError for weights with holes and for latents that are more than scaled. slicing: one image at a time, as
        large ones are in any case. load_as: how weights are read, see `read_at_once`.
        """
        config = read_json(Path(directory, "config.json"))
        if strange := [key for key in UNKNOWN_SCALES if config.get(key) is not None]:
            raise RetortError(
                f"{directory}: {strange[0]} is {config[strange[0]]}, but latents here are the VAE's times its "
                "scaling_factor, as those of Stable Diffusion, SDXL and DiT are; name such a VAE"
            )
        if dtype == torch.float16 and needs_float32(config):
            print(f"{directory}: force_upcast, so it runs in float32: in float16 it overflows")
            dtype = torch.float32
        vae = load_weights(AutoencoderKL, Path(directory), dtype, load_as)
        if slicing or resolution >= SLICED_FROM:
            vae.enable_slicing()
        vae = laid_out(vae, device)
        return cls(vae if offload else vae.to(device), resolution, device)

    def encode(self, images: Tensor, generators: Sequence[torch.Generator] | None = None) -> Tensor:
        """(N, 3, h, w) in [-1, 1] to float32 latents (N, C, H, W): the posterior mean, or one seeded draw per image."""
        with borrowed(self.device, self.vae):
            posterior = self.vae.encode(images.to(self.device, self.vae.dtype)).latent_dist
        latents = posterior.mean
        if generators is not None:
            noise = torch.stack([torch.randn(self.latent_shape, generator=g) for g in generators])
            latents = latents + posterior.std * noise.to(latents)
        return (latents * self.vae.config.scaling_factor).float()

    def decode(self, latents: Tensor) -> Tensor:
        """Scaled latents (N, C, H, W) to float32 images (N, 3, h, w), nominally in [-1, 1]."""
        latents = latents.to(self.device, self.vae.dtype) / self.vae.config.scaling_factor
        with borrowed(self.device, self.vae):
            return self.vae.decode(latents).sample.float()
