"""Mixed precision: weights stay in float32, and networks compute in what a protocol says."""

from collections.abc import Callable

import torch
from torch import Tensor
from torch.amp import GradScaler

DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}


def logits_in(network: Callable[[Tensor], Tensor], images: Tensor, precision: str) -> Tensor:
    """What a classifier makes of images (N, 3, h, h), computed in one of `DTYPES`: (N, K) float32 logits.

    In "float32" nothing is converted at all. Each call is an autocast of its own: within one, weights that were cast
    without gradients would be used again by a call that needs them.
    """
    if precision == "float32":
        return network(images)
    with torch.autocast(images.device.type, DTYPES[precision]):
        logits = network(images)
    return logits.float()


def scaler_for(precision: str, device: torch.device) -> GradScaler:
    """float16 loses small gradients, so losses are scaled there; for the other precisions this one does nothing."""
    return GradScaler(device.type, enabled=precision == "float16")
