"""What the parts of this folder have in common; files that begin with _ are no parts."""

from torch import Tensor


def chances(logits: Tensor) -> Tensor:
    """A teacher's probabilities (N, K), in float64, from its logits (N, K)."""
    return logits.double().softmax(dim=1)
