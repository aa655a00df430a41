"""Diffusion transformers with random weights: of the demo's size on a CPU, DiT-XL/2 on a GPU."""

from collections.abc import Sequence

import torch
from diffusers.models.transformers.dit_transformer_2d import DiTTransformer2DModel
from torch import nn

from bench.limits import matmul_peak
from bench.rows import Row, apart
from retort.base.devices import pick_device
from retort.data.manifest import ClassEntry
from retort.models.dit import DiT

CLASSES = [ClassEntry(n, f"c{n}", f"c{n}") for n in range(100)]
DEMO = {"num_layers": 4, "num_attention_heads": 4, "attention_head_dim": 32, "sample_size": 8}
XL = {"num_layers": 28, "num_attention_heads": 16, "attention_head_dim": 72, "sample_size": 32}
ROUNDING = {torch.float32: 1e-4, torch.bfloat16: 0.1, torch.float16: 0.02}
"""How far apart results may be that differ in rounding alone, by what the network computes in: in units of `apart`."""


def random_dit() -> DiT:
    """For the 100 CLASSES; in bfloat16 on a GPU, in float32 on a CPU."""
    device = pick_device()
    size, dtype = (XL, torch.bfloat16) if device.type == "cuda" else (DEMO, torch.float32)
    torch.manual_seed(0)
    transformer = DiTTransformer2DModel(**size, in_channels=4, out_channels=4, num_embeds_ada_norm=len(CLASSES))
    alphas = torch.cumprod(1 - torch.linspace(1e-4, 0.02, 1000, dtype=torch.float64), 0)
    return DiT(nn.Module.to(transformer, device, dtype), alphas, codec=None)


def guided_by_two_calls(
    model: DiT, x: torch.Tensor, time: int, condition: torch.Tensor, null: torch.Tensor, guidance: float
) -> torch.Tensor:
    """Noise (N, C, H, W) by CFG, one branch after the other, as the reference codes ask for it."""
    times = torch.full((len(x),), time, device=x.device)
    without = model.eps(x, times, null)
    return without + guidance * (model.eps(x, times, condition) - without)


def model_row(
    work: str,
    model: DiT,
    seconds: Sequence[float],
    results: Sequence[torch.Tensor],
    what: str,
    operations: int,
    slack: float = 1.0,
) -> Row:
    """Ours and the baseline, in seconds and in `what` they give, which may differ by rounding, times `slack`.

    operations: FLOPs that ours needs, for its share of the matmul peak.
    """
    gap, limit = apart(*results), operations / matmul_peak(model.device, model.dtype)
    same = gap < slack * ROUNDING[model.dtype]
    return Row(work, *seconds, f"{what} to {gap:.0e}", same, limit / seconds[0], "matmul")


def random_latents(model: DiT, count: int, seed: int = 1) -> torch.Tensor:
    """(count, C, H, W) float32 standard normal, on the model's device."""
    return torch.randn(count, *model.latent_shape, generator=torch.Generator().manual_seed(seed)).to(model.device)
