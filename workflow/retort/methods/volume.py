"""Volume and mean of a set: its latents span more, and their mean is drawn to the class's (CGS, CVPR 2026).

Both terms are gradients in closed form, taken of the latents themselves: nothing is decoded, and no model is asked.
"""

import torch
from torch import Tensor


def volume_gradient(latents: Tensor, epsilon: float) -> Tensor:
    """The gradient of -log det(K + epsilon I) by latents x (N, C, H, W), float32; K_ij is the cosine of x_i and x_j.

    With u_i = x_i / |x_i|, U of these rows and A = (K + epsilon I)^-1, the gradient by U is -2 A U; what of it lies
    along u_i changes no cosine, and the rest is divided by |x_i|. An image alone has no volume, and is not moved.
    """
    if len(latents) < 2:
        return torch.zeros_like(latents, dtype=torch.float32)
    flat = latents.float().flatten(1)
    lengths = flat.norm(dim=1, keepdim=True).clamp(min=torch.finfo(torch.float32).tiny)
    units = flat / lengths
    cosines = (units @ units.T).double()
    inverse = torch.linalg.inv(cosines + epsilon * torch.eye(len(flat), dtype=torch.float64, device=flat.device))
    along = 1 - epsilon * inverse.diagonal()  # of A U along each u_i
    across = inverse.float() @ units - along.float()[:, None] * units
    return (-2 * across / lengths).reshape(latents.shape)


def mean_gradient(latents: Tensor, mean: Tensor, signal: float) -> Tensor:
    """The gradient of the mean square of mean_i x_i - sqrt(signal) mean by latents x (N, C, H, W), float32.

    mean (C, H, W): of the class's real latents; signal: abar of x. It is the same for all images of the set. The square
    is averaged over the numbers of a latent: summed, weights above the number of images would overshoot the mean, and
    the published weights are above it.
    """
    latents = latents.float()
    away = latents.mean(dim=0) - signal**0.5 * mean.float()
    return (2 * away / latents.numel()).expand(latents.shape)
