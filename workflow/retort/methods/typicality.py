"""Typicality: where in an image knowing the class makes its noise easier to predict (the statistic behind DDPS).

    T(x | c) = E over n, t of (n - eps(x_t, t, null))^2 - (n - eps(x_t, t, c))^2,   averaged over channels
for x_t = sqrt(abar_t) x + sqrt(1 - abar_t) n. DDPS (arXiv 2412.09959) names the loss difference and publishes neither
code nor constants; the formula and its draws are those of 'Diffusion Models as Data Mining Tools' (ECCV 2024).
"""

from collections.abc import Sequence

import torch
from torch import Tensor

from retort.models.interface import Condition, LatentDiffusion, join


def draw_noises(
    latent_shape: Sequence[int], draws: int, timesteps: int, low: float, high: float, generator: torch.Generator
) -> tuple[Tensor, Tensor]:
    """Noises (M, C, H, W) float32 and timesteps (M,) int64, M = draws, on the generator's device.

    A timestep is uniform over the whole numbers from `low` to just below `high`, shares of a schedule of `timesteps`
    steps. Noise and timestep are drawn alternately, as the ECCV 2024 code does: the same seed gives the same draws,
    and fewer draws are the beginning of more. Raises ValueError unless draws > 0 and low and high leave a timestep.
    """
    first, end = round(low * timesteps), round(high * timesteps)
    if draws < 1:
        raise ValueError(f"typicality needs at least one draw, found {draws}")
    if not 0 <= first < end <= timesteps:
        raise ValueError(f"timesteps from {low} to {high} of {timesteps} leave none: 0 <= low < high <= 1 is needed")
    device, noises, times = generator.device, [], []
    for _ in range(draws):
        noises.append(torch.randn(1, *latent_shape, generator=generator, device=device))
        times.append(torch.randint(first, end, (1,), generator=generator, device=device))
    return torch.cat(noises), torch.cat(times)


def squared_errors(
    model: LatentDiffusion, latents: Tensor, branches: Sequence[Condition], noises: Tensor, timesteps: Tensor
) -> Tensor:
    """(noise - eps)^2, (M, B, N, C, H, W), for M draws, B branches and N images: one model call of M * B * N latents.

    latents: (N, C, H, W); each branch: a condition of N images; noises: (M, C, H, W); timesteps: (M,) int64. All
    images and all branches share the draws. float32, or float64 where latents or model are.
    """
    noise = noises.to(model.device, torch.promote_types(latents.dtype, torch.float32))[:, None, None]
    signal = model.alphas_cumprod[timesteps.cpu()].view(-1, 1, 1, 1, 1, 1)
    scale, spread = (x.to(noise) for x in (signal.sqrt(), (1 - signal).sqrt()))
    noisy = (scale * latents.to(noise)[None, None] + spread * noise).expand(-1, len(branches), -1, -1, -1, -1)
    times = timesteps.to(model.device).repeat_interleave(len(branches) * len(latents))
    eps = model.eps(noisy.flatten(0, 2).to(model.dtype), times, join(*branches * len(noises)))
    return (eps.to(torch.promote_types(eps.dtype, noise.dtype)).view(noisy.shape) - noise).square()


def differences(errors: Tensor) -> Tensor:
    """Null's squared error less the class's, (M, N, H, W): from errors (M, 2, N, C, H, W), the class's first."""
    return (errors[:, 1] - errors[:, 0]).mean(dim=2)


def typicality_maps(
    model: LatentDiffusion,
    latents: Tensor,
    condition: Condition,
    null: Condition,
    noises: Tensor,
    timesteps: Tensor,
    draws_per_batch: int = 1,
) -> Tensor:
    """T(x | c), (N, H, W) float32 on the model's device; high where the class shows.

    latents: (N, C, H, W); condition and null: of N images each; noises: (M, C, H, W) and timesteps: (M,) int64, the
    same draws for every image and for both branches, e.g. from `draw_noises`. A model call takes
    2 * N * draws_per_batch latents; only the sum of the maps is kept, in float64, so the batch changes rounding alone.
    Raises ValueError when draws or conditions do not fit the latents.
    """
    _check_draws(model, latents, noises, timesteps, draws_per_batch)
    lengths = {len(tensor) for branch in (condition, null) for tensor in branch.values()}
    if lengths != {len(latents)}:
        raise ValueError(f"both conditions must be of {len(latents)} images, found tensors of {sorted(lengths)}")
    total = torch.zeros(len(latents), *latents.shape[2:], dtype=torch.float64, device=model.device)
    for draw in range(0, len(noises), draws_per_batch):
        part = slice(draw, draw + draws_per_batch)
        errors = squared_errors(model, latents, (condition, null), noises[part], timesteps[part])
        total += differences(errors).double().sum(dim=0)
    return (total / len(noises)).float()


def _check_draws(
    model: LatentDiffusion, latents: Tensor, noises: Tensor, timesteps: Tensor, draws_per_batch: int
) -> None:
    if draws_per_batch < 1:
        raise ValueError(f"draws_per_batch must be at least 1, found {draws_per_batch}")
    if len(noises) == 0 or noises.shape[1:] != latents.shape[1:] or timesteps.shape != noises.shape[:1]:
        raise ValueError(
            f"draws must be noises (M, {', '.join(map(str, latents.shape[1:]))}) and timesteps (M,) with M > 0, "
            f"found {tuple(noises.shape)} and {tuple(timesteps.shape)}"
        )
    if timesteps.min() < 0 or timesteps.max() >= len(model.alphas_cumprod):
        raise ValueError(
            f"timesteps must lie in 0..{len(model.alphas_cumprod) - 1}, "
            f"found {int(timesteps.min())}..{int(timesteps.max())}"
        )
