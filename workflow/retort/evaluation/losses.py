"""Losses of the evaluation protocols."""

from torch import Tensor
from torch.nn import functional as F


def hard_loss(logits: Tensor, own: Tensor, others: Tensor, kept: float) -> Tensor:
    """Cross entropy of mixed images (N, K): `kept` parts own class (N,), the rest the partner's (Minimax/IDC)."""
    loss = F.cross_entropy(logits, own)
    return loss if kept == 1 else kept * loss + (1 - kept) * F.cross_entropy(logits, others)


def soft_loss(logits: Tensor, teacher_logits: Tensor, temperature: float) -> Tensor:
    """KL(teacher || student) at a temperature, mean over the batch, without the factor T^2 (RDED)."""
    return soft_target_loss(logits, F.softmax(teacher_logits / temperature, dim=1), temperature)


def soft_target_loss(logits: Tensor, targets: Tensor, temperature: float) -> Tensor:
    """The same against class probabilities (N, K)."""
    return F.kl_div(F.log_softmax(logits / temperature, dim=1), targets, reduction="batchmean")


def mixed_targets(teacher_logits: Tensor, partners: Tensor, kept: float, temperature: float) -> Tensor:
    """Probabilities (N, K) for mixed images from one static label each, in proportion to the areas."""
    own = F.softmax(teacher_logits / temperature, dim=1)
    return kept * own + (1 - kept) * own[partners]


def correct_at(logits: Tensor, targets: Tensor, k: int) -> Tensor:
    """(N,) bool: the target is among the k highest logits (all of them, when there are fewer classes)."""
    return (logits.topk(min(k, logits.shape[1]), dim=1).indices == targets[:, None]).any(dim=1)
