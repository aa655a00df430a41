"""What a network that learns its variance is taught of it: the variational bound (Nichol and Dhariwal 2021, 3.1)."""

import math

import torch
from torch import Tensor

from retort.models.discretised import surprise_by_bins


class VarianceBound:
    """The terms of the bound for a training schedule `alphas_cumprod` (T,).

    The variance of a step back from timestep t is exp(v log beta_t + (1 - v) log beta~_t) (eq. 15), where the network
    gives v as a place 2v - 1, nominally in [-1, 1]; beta~ is the posterior's variance (eq. 10).

    half_bin: at t = 0 latents are counted in bins of twice this width, as pixels are in the original code, and not by
    the density.
    """

    def __init__(self, alphas_cumprod: Tensor, half_bin: float | None = None):
        self._half_bin = half_bin
        now = alphas_cumprod.double().cpu()
        before = torch.cat([torch.ones(1, dtype=now.dtype), now[:-1]])
        betas = 1 - now / before
        smallest = betas * (1 - before) / (1 - now)
        smallest[0] = smallest[1]  # 0 at the clean end, which has no logarithm
        # The share of x_0 in the mean of q(x_{t-1} | x_t, x_0) (eq. 11); that of x_t is the same in both means.
        self._clean_share = before.sqrt() * betas / (1 - now)
        self._log_smallest, self._log_largest = smallest.log(), betas.log()
        self._signal, self._noise = now.sqrt(), (1 - now).sqrt()

    def log_variance(self, place: Tensor, times: Tensor) -> Tensor:
        """Eq. 15 for places (N, C, H, W) at timesteps (N,)."""
        share = (place + 1) / 2
        return share * _at(self._log_largest, times, place) + (1 - share) * _at(self._log_smallest, times, place)

    def __call__(self, clean: Tensor, noisy: Tensor, eps: Tensor, place: Tensor, times: Tensor) -> Tensor:
        """(N,) the bound's term at `times` in bits per latent coordinate, weighed as in L_hybrid (eq. 16).

        All but times is (N, C, H, W). eps is detached: the bound teaches the variance alone. The weight is the
        paper's 0.001 times T, because one timestep stands for all of them. At t = 0 the term is the likelihood of the
        clean latent itself under the Gaussian: latents have no bins, as pixels have, unless there is a `half_bin`.
        """
        signal, noise = _at(self._signal, times, clean), _at(self._noise, times, clean)
        predicted = (noisy - noise * eps.detach()) / signal
        distance = _at(self._clean_share, times, clean) * (clean - predicted)  # of the two means
        log_true, log_model = _at(self._log_smallest, times, clean), self.log_variance(place, times)
        precision = torch.exp(-log_model)
        divergence = 0.5 * (log_model - log_true - 1 + torch.exp(log_true) * precision + distance.square() * precision)
        surprise = 0.5 * (math.log(2 * math.pi) + log_model + distance.square() * precision)
        if self._half_bin is not None:
            surprise = surprise_by_bins(distance, clean, log_model, self._half_bin)
        first = (times == 0).view(-1, 1, 1, 1)
        nats = torch.where(first, surprise, divergence).mean(dim=(1, 2, 3))
        return 0.001 * len(self._signal) * nats / math.log(2)


def _at(values: Tensor, times: Tensor, like: Tensor) -> Tensor:
    """values (T,) at times (N,), shaped and typed to be broadcast over `like` (N, C, H, W)."""
    return values[times.cpu()].to(like).view(-1, 1, 1, 1)
