"""How many bytes of tensors are alive at once in a computation, on any device: also on one that holds no numbers."""

import weakref
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves


class LiveBytes(TorchDispatchMode):
    """`peak`: the most bytes that storages which operations touched in the block took up at once, inputs included.

    What is there before and only used late, as weights are, counts from the start where it is held.
    """

    def __init__(self):
        super().__init__()
        self.live = self.peak = 0
        self._known: dict[int, weakref.ref] = {}

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        self._see((args, kwargs))
        result = func(*args, **(kwargs or {}))
        self._see(result)
        return result

    def hold(self, tensor: Tensor) -> None:
        """Count a tensor from now on, for as long as it lives."""
        self._count(tensor.untyped_storage())

    def _see(self, values: object) -> None:
        for value in tree_leaves(values):
            if isinstance(value, Tensor):
                self._count(value.untyped_storage())

    def _count(self, storage: torch.UntypedStorage) -> None:
        key = storage._cdata
        if key in self._known and self._known[key]() is not None:
            return
        size = storage.nbytes()
        self._known[key] = weakref.ref(storage, partial(self._forget, key, size))
        self.live += size
        self.peak = max(self.peak, self.live)

    def _forget(self, key: int, size: int, gone: weakref.ref) -> None:
        self.live -= size
        if self._known.get(key) is gone:
            del self._known[key]


@contextmanager
def fused_attention() -> Iterator[None]:
    """Attention that keeps no matrix of weights, as GPUs compute it, also on the meta device."""
    plain = torch.nn.functional.scaled_dot_product_attention

    def fused(query, key, value, attn_mask=None, dropout_p=0.0, is_causal=False, scale=None, **_):
        if query.device.type != "meta" or attn_mask is not None:
            return plain(query, key, value, attn_mask, dropout_p, is_causal, scale=scale)
        kernel = torch.ops.aten._scaled_dot_product_flash_attention_for_cpu
        return kernel(query, key, value, dropout_p, is_causal, scale=scale)[0]

    torch.nn.functional.scaled_dot_product_attention = fused
    try:
        yield
    finally:
        torch.nn.functional.scaled_dot_product_attention = plain
