"""PNDM without Runge-Kutta steps (PLMS), the sampler of Stable Diffusion 1.x (Liu et al., ICLR 2022; as D4M runs it).

Timesteps are 1, s + 1, 2s + 1, ... with s = T // steps, as Stable Diffusion's offset has them. The first step is made
twice, the second time with the mean of the noise at its two ends; each later one combines up to four predictions.
"""

from torch import Tensor

from retort.methods.guidance import Denoiser, Move, moved

OFFSET = 1
WEIGHTS = {2: (3, -1), 3: (23, -16, 5), 4: (55, -59, 37, -9)}  # of the newest predictions, Adams-Bashforth


def grid(alphas_cumprod: Tensor, steps: int, first: int | None = None, whole_list: bool = False) -> list[int]:
    """The timesteps at which the model is asked, descending; the second of them twice.

    first: the step to begin at, counted from the clean end; -1 for none. whole_list: as diffusers' image-to-image takes
    them, from the end of the list of all steps, whose one double entry is cut off: the list begins one step earlier.
    Raises ValueError for steps outside 1..T.
    """
    stride = _stride(alphas_cumprod, steps)
    rising = [min(i * stride + OFFSET, len(alphas_cumprod) - 1) for i in range(steps)]
    every = _doubled(rising[::-1])
    if first is None:
        return every
    if whole_list:
        return every[steps - 1 - first :] if first >= 0 else []
    return _doubled(rising[: first + 1][::-1])


def sample(
    latents: Tensor,
    denoise: Denoiser,
    alphas_cumprod: Tensor,
    steps: int,
    first: int | None = None,
    whole_list: bool = False,
    move: Move | None = None,
) -> Tensor:
    """From latents (N, C, H, W), pure noise or at the noise of the first timestep of the grid, to clean ones.

    On a grid of whole_list the second call corrects the step from one timestep earlier than the first was made from, as
    in diffusers: one transition is never made, and latents are noisier from there on than the timestep at which the
    model is asked. What move gives is added to the latents that a step ends with, before the next call; between the two
    calls of the step that is made twice nothing is moved.
    """
    stride, history, kept = _stride(alphas_cumprod, steps), [], latents
    for call, timestep in enumerate(grid(alphas_cumprod, steps, first, whole_list)):
        if call > 1:
            latents = moved(latents, move, timestep, float(alphas_cumprod[timestep]))
        eps, now, then = denoise(latents, timestep), timestep, timestep - stride
        if call == 1:
            eps = (eps + history[-1]) / 2
            latents, now, then = kept, timestep + stride, timestep
        else:
            history = [*history[-3:], eps]
            weights = WEIGHTS.get(len(history), (1,))
            eps = sum(w * e for w, e in zip(weights, reversed(history), strict=True)) / sum(weights)
        latents = _moved(latents, eps, float(alphas_cumprod[now]), float(alphas_cumprod[max(then, 0)]))
    return latents


def _moved(latents: Tensor, eps: Tensor, now: float, then: float) -> Tensor:
    """From the signal `now` to the signal `then` by one prediction; a DDIM step, in the form that the paper has."""
    scale = now * (1 - then) ** 0.5 + (now * (1 - now) * then) ** 0.5
    return (then / now) ** 0.5 * latents - (then - now) / scale * eps


def _doubled(descending: list[int]) -> list[int]:
    return [*descending[:1], *descending[1:2], *descending[1:]]


def _stride(alphas_cumprod: Tensor, steps: int) -> int:
    if not 0 < steps <= len(alphas_cumprod):
        raise ValueError(f"steps must lie in 1..{len(alphas_cumprod)}, found {steps}")
    return len(alphas_cumprod) // steps
