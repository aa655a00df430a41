"""A small AutoencoderKL, trained on the images that it will encode."""

from collections.abc import Sequence

import numpy as np
import torch
from diffusers.models.autoencoders.autoencoder_kl import AutoencoderKL
from torch import Tensor
from torch.nn import functional as F

from retort.base.devices import pick_device
from retort.base.errors import RetortError
from retort.base.seeds import derive_seed, numpy_rng, torch_rng
from retort.models.fit import fit, warmup_cosine
from retort.models.pixels import to_images
from retort.models.training_state import Checkpoint


def trained_vae(
    pixels: np.ndarray,
    seed_words: Sequence[str | int],
    checkpoint: Checkpoint | None = None,
    *,
    channels: Sequence[int],
    layers_per_block: int,
    norm_groups: int,
    latent_channels: int,
    steps: int,
    batch: int,
    lr: float,
    kl_weight: float,
    precision: str,
) -> AutoencoderKL:
    """Train on pixels (N, h, h, 3) uint8: squared error plus a light KL term (Rombach et al. 2022).

    The returned model carries its own scaling factor, 1 / std of its latents on the training images. Raises RetortError
    when training leaves the finite numbers, and when those latents do not differ.
    """
    device = pick_device()
    torch.manual_seed(derive_seed(*seed_words, "weights"))
    vae = AutoencoderKL(
        block_out_channels=tuple(channels),
        down_block_types=("DownEncoderBlock2D",) * len(channels),
        up_block_types=("UpDecoderBlock2D",) * len(channels),
        layers_per_block=layers_per_block,
        norm_num_groups=norm_groups,
        latent_channels=latent_channels,
        mid_block_add_attention=False,
        sample_size=pixels.shape[1],
    ).to(device)

    def loss_at(step: int) -> Tensor:
        rows = numpy_rng(*seed_words, "batch", step).integers(len(pixels), size=batch)
        images = to_images(pixels[np.sort(rows)]).to(device)
        with torch.autocast(device.type, torch.bfloat16, enabled=precision == "bfloat16"):
            posterior = vae.encode(images).latent_dist
            noise = torch.randn(posterior.mean.shape, generator=torch_rng(*seed_words, "noise", step))
            output = vae.decode(posterior.mean + posterior.std * noise.to(posterior.std)).sample
        # Summed over an image, so that kl_weight means the same at every resolution.
        return F.mse_loss(output.float(), images) + kl_weight * posterior.kl().mean()

    optimizer = torch.optim.AdamW(vae.parameters(), lr=lr, betas=(0.9, 0.99), weight_decay=0.0)
    vae = fit(vae, optimizer, loss_at, steps, warmup_cosine(0.05), checkpoint, label="training the VAE").eval()
    if not 0 < (std := _latent_std(vae, pixels)) < np.inf:
        raise RetortError(f"the VAE's latents have standard deviation {std}; lower its train.lr or train.kl_weight")
    vae.register_to_config(scaling_factor=1 / std)
    return vae


@torch.no_grad()
def psnr(vae: AutoencoderKL, pixels: np.ndarray, batch: int = 64) -> float:
    """Peak signal-to-noise ratio in dB of encode (posterior mean) and decode on pixels (N, h, h, 3) uint8."""
    total = 0.0
    for first in range(0, len(pixels), batch):
        images = to_images(pixels[first : first + batch]).to(vae.device, vae.dtype)
        output = vae.decode(vae.encode(images).latent_dist.mean).sample.clamp(-1, 1)
        total += F.mse_loss(output.float(), images.float(), reduction="sum").item()
    return 10 * np.log10(4 / (total / pixels.size))


@torch.no_grad()
def _latent_std(vae: AutoencoderKL, pixels: np.ndarray, most: int = 1024, batch: int = 64) -> float:
    rows = np.linspace(0, len(pixels) - 1, min(most, len(pixels))).astype(int)
    means = [
        vae.encode(to_images(pixels[rows[i : i + batch]]).to(vae.device, vae.dtype)).latent_dist.mean.cpu()
        for i in range(0, len(rows), batch)
    ]
    return torch.cat(means).std().item()
