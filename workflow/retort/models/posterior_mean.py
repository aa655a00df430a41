"""The mean of an image given a noisy one, over a finite set of images: what a denoiser without any error predicts.

For data that are uniform over y_1..y_n and x = s y + sigma n with normal noise n, E[y | x] is the mean of the y_i with
weights softmax_i(-|x - s y_i|^2 / (2 sigma^2)) (Karras et al. 2022, appendix B.3; De Bortoli 2022).
"""

from collections.abc import Iterator, Sequence

import torch
from torch import Tensor

BYTES_AT_ONCE = 2**26  # of the images, and of their weights, that are held in double precision at a time


def posterior_mean(
    noisy: Tensor, signal: Tensor, spread: Tensor, images: Sequence[Tensor], at_once: int | None = None
) -> Tensor:
    """E[y | x] (N, D) float64 for noisy x (N, D) = signal y + spread n, over the rows of all `images` (n_k, D).

    signal and spread: (N,) float64, spread above 0. images: float16, float32 or float64, on the device of `noisy`.
    at_once: rows that are seen at a time, by default those of BYTES_AT_ONCE; it changes no more than the last bits.

    Distances are taken in double precision, without their part that is the same for all images: at the cleanest
    timesteps the exponents reach 1e7, of which single precision keeps no place after the point. The gradient in x is
    the closed form signal / spread^2 Cov[y | x], in a second pass over the images, so that it needs no more memory.
    """
    return _PosteriorMean.apply(noisy.double(), signal[:, None], spread[:, None], tuple(images), at_once)


class _PosteriorMean(torch.autograd.Function):
    @staticmethod
    def forward(
        context, noisy: Tensor, signal: Tensor, spread: Tensor, images: tuple[Tensor, ...], at_once: int | None
    ) -> Tensor:
        highest = noisy.new_full((len(noisy), 1), -torch.inf)
        total, found = torch.zeros_like(highest), torch.zeros_like(noisy)
        for rows in _chunks(images, len(noisy), at_once):
            exponents = _exponents(noisy, signal, spread, rows)
            above = torch.maximum(highest, exponents.amax(dim=1, keepdim=True))
            weights, before = (exponents - above).exp(), (highest - above).exp()
            total, found = before * total + weights.sum(dim=1, keepdim=True), before * found + weights @ rows
            highest = above
        mean = found / total
        context.save_for_backward(noisy, signal, spread, mean, highest + total.log())
        context.images, context.at_once = images, at_once
        return mean

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(context, upstream: Tensor) -> tuple[Tensor, None, None, None, None]:
        noisy, signal, spread, mean, whole = context.saved_tensors
        along, found = (mean * upstream).sum(dim=1, keepdim=True), torch.zeros_like(noisy)
        for rows in _chunks(context.images, len(noisy), context.at_once):
            weights = (_exponents(noisy, signal, spread, rows) - whole).exp()
            found += (weights * (upstream @ rows.T - along)) @ rows
        return signal / spread**2 * found, None, None, None, None


def _exponents(noisy: Tensor, signal: Tensor, spread: Tensor, rows: Tensor) -> Tensor:
    """(N, n): -|x - s y|^2 / (2 sigma^2) + |x|^2 / (2 sigma^2)."""
    sharpness = signal / spread**2
    return (sharpness * noisy) @ rows.T - (sharpness * signal / 2) * rows.square().sum(dim=1)


def _chunks(images: Sequence[Tensor], noisy: int, at_once: int | None) -> Iterator[Tensor]:
    """All images in double precision, some rows at a time."""
    size = at_once or max(1, BYTES_AT_ONCE // (8 * max(images[0].shape[1], noisy)))
    for image_set in images:
        for rows in image_set.split(size):
            yield rows.double()
