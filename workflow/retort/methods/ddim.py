"""DDIM, forwards and backwards, on the grid t = 0, s, 2s, ... with s = T // steps (Song et al. 2021; D3HR).

The constants are those of D3HR's reference code, including its two quirks: while inverting, the model is asked at
the timestep a latent moves *to*; while sampling, the last two steps both lead to alpha-bar of timestep 1.
"""

from collections.abc import Callable

from torch import Tensor

from retort.methods.guidance import Denoiser, Move, Shift, moved


def grid_stride(alphas_cumprod: Tensor, steps: int) -> int:
    """Timesteps between two points of the grid. Raises ValueError when there are more steps than timesteps."""
    if not 0 < steps <= len(alphas_cumprod):
        raise ValueError(f"steps must lie in 1..{len(alphas_cumprod)}, found {steps}")
    return len(alphas_cumprod) // steps


def grid(alphas_cumprod: Tensor, steps: int, first: int) -> list[int]:
    """The timesteps at which `sample` asks the model, descending."""
    stride = grid_stride(alphas_cumprod, steps)
    return [stride * step for step in range(first, -1, -1)]


def invert(latents: Tensor, denoise: Denoiser, alphas_cumprod: Tensor, steps: int, stop: int) -> Tensor:
    """Latents (N, C, H, W) at t = 0 carried to their noisy counterparts at t = s * stop (D3HR, section 3.2).

    `stop` counts steps, 0 <= stop < steps; nothing beyond it is computed.
    """
    stride = grid_stride(alphas_cumprod, steps)
    for step in range(1, stop + 1):
        t = stride * step
        now, then = float(alphas_cumprod[t - stride]), float(alphas_cumprod[t])
        eps = denoise(latents, t)
        clean = (latents - (1 - now) ** 0.5 * eps) / now**0.5
        latents = then**0.5 * clean + (1 - then) ** 0.5 * eps
    return latents


def sample(
    latents: Tensor,
    denoise: Denoiser,
    alphas_cumprod: Tensor,
    steps: int,
    first: int,
    eta: float = 0.0,
    noise: Callable[[], Tensor] | None = None,
    shift: Shift | None = None,
    move: Move | None = None,
) -> Tensor:
    """DDIM from noisy latents (N, C, H, W), first step at t = s * first, down to t = 0.

    `first` = steps - 1 starts from pure noise. D3HR's reference starts latents inverted to t = s * stop at
    first = stop + 1, one step noisier than they are; first = stop is the matched choice. With eta above 0 each step
    but the last adds fresh noise of eta times the posterior's deviation, which noise() gives, (N, C, H, W), and its
    direction is shortened by as much (Song et al. 2021, equation 12 with sigma of equation 16); what shift gives is
    added to the mean of such a step, and what move gives to the latents before each step but the first.
    """
    stride = grid_stride(alphas_cumprod, steps)
    for number, t in enumerate(grid(alphas_cumprod, steps, first)):
        now, then = float(alphas_cumprod[t]), float(alphas_cumprod[max(1, t - stride)])
        latents = moved(latents, move, t, now) if number else latents
        eps = denoise(latents, t)
        clean = (latents - (1 - now) ** 0.5 * eps) / now**0.5
        variance = eta**2 * (1 - then) / (1 - now) * max(0.0, 1 - now / then)
        before, latents = latents, then**0.5 * clean + (1 - then - variance) ** 0.5 * eps
        if variance > 0:
            shifted = None if shift is None else shift(before, clean, t, variance**0.5)
            latents = (latents if shifted is None else latents + shifted) + variance**0.5 * noise()
    return latents
