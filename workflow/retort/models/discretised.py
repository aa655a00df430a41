"""The likelihood of latents under a Gaussian by bins, as the original DiT's code has it for pixels."""

import math

import torch
from torch import Tensor

EDGE, LEAST = 0.999, 1e-12  # beyond the edge a bin reaches to infinity; no bin is less likely than that


def surprise_by_bins(distance: Tensor, values: Tensor, log_variance: Tensor, half: float) -> Tensor:
    """Nats of values (N, C, H, W) at a `distance` from the mean of a Gaussian, each in a bin of twice `half`.

    The normal distribution function is approximated by a tanh, bins of values beyond 0.999 are open outwards, and
    probabilities are at least 1e-12.
    """
    precision = torch.exp(-0.5 * log_variance)
    below, above = _normal(precision * (distance - half)), _normal(precision * (distance + half))
    inside = torch.where(values > EDGE, 1 - below, above - below)
    return -torch.where(values < -EDGE, above, inside).clamp(min=LEAST).log()


def _normal(places: Tensor) -> Tensor:
    return 0.5 * (1 + torch.tanh(math.sqrt(2 / math.pi) * (places + 0.044715 * places**3)))
