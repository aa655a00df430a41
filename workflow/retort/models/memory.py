"""What a network needs of a GPU's memory, counted before it is used."""

import copy
import weakref

import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

MARGIN = 2**31  # bytes for kernels' workspaces, what is not freed at once, and other small things
SHARE = 4  # of what is free a quarter is given away where a network cannot be counted


def step_bytes(network: nn.Module, batch: int, side: int, precision: str, learn: bool) -> int:
    """Peak bytes of a pass over images (batch, 3, side, side), and to `learn` of the way back, beside the weights.

    Counted on tensors without contents, in float32; in mixed precision activations take half. With gradients and the
    two moments of AdamW. What cuDNN takes for itself is not in it. Raises RuntimeError for a network that looks into
    its tensors.
    """
    blank = copy.deepcopy(network).to("meta").train(learn).requires_grad_(learn)
    own = sum(p.numel() * p.element_size() for p in blank.parameters())
    with _Live([*blank.parameters(), *blank.buffers()]) as live, torch.set_grad_enabled(learn):
        images = torch.empty(batch, 3, side, side, device="meta").to(memory_format=torch.channels_last)
        logits = blank(images)
        if learn:
            logits.sum().backward()
    gradients = own if learn else 0
    activations = max(0, live.peak - gradients)
    return (activations if precision == "float32" else activations // 2) + 3 * gradients


def spare_bytes(device: torch.device, network: nn.Module, side: int, passes: list[tuple[int, str, bool]]) -> int:
    """Bytes of a GPU that stay free while the network, which is on it, makes passes: (batch, precision, learn) each.

    None on the CPU. Never more than half of what is free, because other jobs may share the GPU, and other networks this
    job. What this process has freed but not given back is given back first.
    """
    if device.type != "cuda":
        return 0
    torch.cuda.empty_cache()
    free = torch.cuda.mem_get_info(device)[0]
    try:
        need = max(step_bytes(network, batch, side, precision, learn) for batch, precision, learn in passes)
    except RuntimeError:
        return free // SHARE
    return max(0, min(free - need - MARGIN, free // 2))


class _Live(TorchDispatchMode):
    """Counts the bytes of all tensors that are made while it is on, for as long as they live; `peak` is their most.

    Views into those `before` it are none of them.
    """

    def __init__(self, before: list[Tensor]):
        super().__init__()
        self.peak, self._now = 0, 0
        self._known = weakref.WeakSet(tensor.untyped_storage() for tensor in before)

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        made = func(*args, **(kwargs or {}))
        for tensor in tree_leaves(made):
            if isinstance(tensor, Tensor):
                self._count(tensor.untyped_storage())
        return made

    def _count(self, storage: torch.UntypedStorage) -> None:
        if storage not in self._known:
            self._known.add(storage)
            self._now += storage.nbytes()
            self.peak = max(self.peak, self._now)
            weakref.finalize(storage, self._freed, storage.nbytes())

    def _freed(self, count: int) -> None:
        self._now -= count
