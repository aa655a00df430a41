"""Which candidates a teacher would keep (CaO2's objective-guided sampling, ICCV 2025)."""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor


@dataclass(frozen=True)
class Ranked:
    """Candidates in order of preference, with what the teacher says of each candidate (not in that order)."""

    order: np.ndarray
    correct: np.ndarray
    confidence: np.ndarray


def rank_candidates(logits: Tensor, label: int, keep: str) -> Ranked:
    """All candidates, (n,) each: those that the teacher calls `label` first, then the others.

    logits (n, K). Within both parts the order is by confidence, the largest probability over all classes: "confident"
    puts the highest first, "uncertain" the lowest, as CaO2 does for few and for many images per class. The first IPC
    of the order are the selection. Ties keep the candidates' order; a candidate without a finite confidence comes last.
    """
    probability = torch.softmax(logits.double(), dim=1)
    confidence, called = (t.numpy() for t in probability.max(dim=1))
    broken = ~np.isfinite(confidence)
    correct = (called == label) & ~broken
    rank = np.where(broken, np.inf, -confidence if keep == "confident" else confidence)
    return Ranked(np.lexsort((rank, ~correct)), correct, np.where(broken, 0.0, confidence))
