"""Learning-rate schedules and parameter groups of the evaluation protocols."""

import math

import torch
from torch import nn


def lr_factor(schedule: str, now: int, length: int) -> float:
    """Factor on the base rate in unit `now` of `length` (epochs, or steps where the length is in steps).

    half-cosine: 0.5 (1 + cos(pi now / 2 length)), which ends near one half and not near zero (RDED, CaO2).
    cosine: 0.5 (1 + cos(pi now / length)), which ends at zero (Loshchilov and Hutter 2017, without restarts).
    milestones: x0.2 at 2/3 and again at 5/6 (Minimax, IDC). constant: 1. Raises KeyError for another name.
    """
    return {
        "half-cosine": lambda: 0.5 * (1 + math.cos(math.pi * now / length / 2)),
        "cosine": lambda: 0.5 * (1 + math.cos(math.pi * now / length)),
        "milestones": lambda: 0.2 ** ((now >= 2 * length // 3) + (now >= 5 * length // 6)),
        "constant": lambda: 1.0,
    }[schedule]()


def decay_groups(module: nn.Module, weight_decay: float) -> list[dict]:
    """Weights of more than one dimension are decayed; biases, norms and other 1-d tensors are not (RDED)."""
    named = list(module.named_parameters())
    decayed = [p for n, p in named if "weight" in n and p.dim() > 1]
    rest = [p for n, p in named if not ("weight" in n and p.dim() > 1)]
    return [{"params": decayed, "weight_decay": weight_decay}, {"params": rest, "weight_decay": 0.0}]


def build_optimizer(
    module: nn.Module, kind: str, lr: float, momentum: float | None, weight_decay: float
) -> torch.optim.Optimizer:
    """sgd decays every parameter (Minimax/IDC); adamw leaves 1-d parameters undecayed (RDED)."""
    if kind == "sgd":
        return torch.optim.SGD(module.parameters(), lr=lr, momentum=momentum, weight_decay=weight_decay)
    return torch.optim.AdamW(decay_groups(module, weight_decay), lr=lr)
