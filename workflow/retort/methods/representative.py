"""Representative guidance: the conditional prediction is drawn towards a real image's latent (CoDA, ICLR 2026)."""

from collections.abc import Sequence

from torch import Tensor

from retort.methods.guidance import Pull


def stop_timestep(timesteps: Sequence[int], until: float) -> int:
    """The timestep at which guidance ends, after the share `until` of a descending grid.

    As in CoDA's code the step at that timestep is no longer guided, so that even until = 1 leaves the last one out.
    """
    return timesteps[min(int(len(timesteps) * until), len(timesteps) - 1)]


def pull_towards(representatives: Tensor, alphas_cumprod: Tensor, strength: float, stop_at: int) -> Pull:
    """The guidance term of CoDA for representatives (N, C, H, W), while timestep > stop_at.

    With x0 the clean latent that the conditional prediction implies and d = strength * sigma * (r - x0), the prediction
    loses sqrt(abar) / sqrt(1 - abar) * d. A sampler without a sigma of its own has sqrt((1 - abar) / abar), which
    cancels: the prediction then loses strength * (r - x0). CFG multiplies either, since only this branch moves.
    """

    def pull(latents: Tensor, conditional: Tensor, timestep: int, sigma: float | None) -> Tensor:
        if strength == 0 or timestep <= stop_at:
            return conditional
        signal = float(alphas_cumprod[timestep])
        ratio = (signal / (1 - signal)) ** 0.5
        clean = (latents - (1 - signal) ** 0.5 * conditional) / signal**0.5
        weight = strength if sigma is None else strength * sigma * ratio
        return conditional - weight * (representatives - clean)

    return pull
