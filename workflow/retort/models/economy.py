"""Running networks in less memory, or faster: what is computed stays the same, but for rounding."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from diffusers.models.attention_processor import Attention
from torch import nn


def slice_attention(network: nn.Module) -> None:
    """Attention of one image at a time, so that its memory does not grow with the batch."""
    for module in network.modules():
        if isinstance(module, Attention):
            module.set_attention_slice(module.sliceable_head_dim)


def laid_out(network: nn.Module, device: torch.device) -> nn.Module:
    """A network of convolutions with its weights as `device` computes fastest with: channels last on a GPU.

    The numbers are the same, and what is computed is but for rounding. For a CPU nothing changes, so that results of
    CPUs stay as they are to the bit.
    """
    return network.to(memory_format=torch.channels_last) if device.type == "cuda" else network


@contextmanager
def borrowed(device: torch.device, *networks: nn.Module) -> Iterator[None]:
    """Networks of diffusers or transformers on `device` for the time of a block, then back where they waited."""
    homes = {network: network.device for network in networks if network.device.type != device.type}
    _move(dict.fromkeys(homes, device))
    try:
        yield
    finally:
        _move(homes)


def _move(places: dict[nn.Module, torch.device]) -> None:
    # Weights moved under inference_mode could not be used later where gradients are wanted.
    with torch.inference_mode(False):
        for network, device in places.items():
            network.to(device)
