"""A small class-conditional DiT, trained on the latents it will sample."""

from collections.abc import Callable, Sequence

import numpy as np
import torch
from diffusers import DDIMScheduler
from diffusers.models.transformers.dit_transformer_2d import DiTTransformer2DModel
from torch import Tensor, nn
from torch.nn import functional as F

from retort.config.devices import pick_device
from retort.config.seeds import derive_seed, numpy_rng, torch_rng
from retort.models.fit import Checkpoint, fit, warmup_cosine


def train_dit(
    latents: Callable[[np.ndarray], np.ndarray],
    labels: np.ndarray,
    latent_shape: tuple[int, int, int],
    seed_words: Sequence[str | int],
    checkpoint: Checkpoint | None = None,
    *,
    layers: int,
    heads: int,
    head_dim: int,
    patch: int,
    steps: int,
    batch: int,
    lr: float,
    warmup: int,
    ema: float,
    drop_label: float,
) -> DiTTransformer2DModel:
    """Train noise prediction on `latents(rows)` (n, C, H, W), scaled, with `labels` (N,) int (Peebles and Xie 2023).

    A share `drop_label` of the examples carries the null class. The module stays in evaluation mode throughout:
    in training mode diffusers drops labels in each block independently, so that the all-null condition which
    guidance needs would hardly ever be seen.
    """
    device = pick_device()
    classes = int(labels.max()) + 1
    torch.manual_seed(derive_seed(*seed_words, "weights"))
    transformer = DiTTransformer2DModel(
        num_layers=layers,
        num_attention_heads=heads,
        attention_head_dim=head_dim,
        patch_size=patch,
        in_channels=latent_shape[0],
        out_channels=latent_shape[0],
        sample_size=latent_shape[1],
        num_embeds_ada_norm=classes,
    ).eval()
    initialise(transformer)
    transformer.to(device)
    alphas_cumprod = DDIMScheduler().alphas_cumprod

    def loss_at(step: int) -> Tensor:
        rng, noise_rng = numpy_rng(*seed_words, "batch", step), torch_rng(*seed_words, "noise", step)
        rows = rng.integers(len(labels), size=batch)
        times = torch.from_numpy(rng.integers(len(alphas_cumprod), size=batch))
        targets = torch.from_numpy(np.where(rng.random(batch) < drop_label, classes, labels[rows]))
        clean = torch.from_numpy(latents(rows))
        noise = torch.randn(clean.shape, generator=noise_rng)
        alpha = alphas_cumprod[times].view(-1, 1, 1, 1)
        noisy = alpha.sqrt() * clean + (1 - alpha).sqrt() * noise
        eps = transformer(noisy.to(device), timestep=times.to(device), class_labels=targets.to(device)).sample
        return F.mse_loss(eps, noise.to(device))

    optimizer = torch.optim.AdamW(transformer.parameters(), lr=lr, weight_decay=0.0)
    schedule = warmup_cosine(min(warmup / steps, 0.5))
    return fit(transformer, optimizer, loss_at, steps, schedule, checkpoint, ema, label="training the DiT").eval()


def initialise(transformer: DiTTransformer2DModel) -> None:
    """Zero the modulation and the output, as the original DiT does and diffusers does not: blocks start as identities.

    The rest keeps torch's defaults. The original's small embeddings (std 0.02) suit its width of 1,152; at a tenth
    of that they leave class and time so faint that a short training hardly learns them.
    """
    modulated = [block.norm1.linear for block in transformer.transformer_blocks]
    for layer in (*modulated, transformer.proj_out_1, transformer.proj_out_2):
        nn.init.zeros_(layer.weight)
        nn.init.zeros_(layer.bias)
