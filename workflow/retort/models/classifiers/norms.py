"""The two norms of the field's networks."""

from torch import nn


def build_norm(kind: str, width: int) -> nn.Module:
    """ "instance": a group norm of one channel a group, which keeps no statistics; "batch": batch norm."""
    return {"instance": lambda: nn.GroupNorm(width, width), "batch": lambda: nn.BatchNorm2d(width)}[kind]()
