"""What this machine can do at most, measured with the threads that the benchmarks use."""

from collections.abc import Callable
from functools import cache

import numpy as np
import torch
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

from bench.rows import timed


@cache
def matmul_peak(device: torch.device, dtype: torch.dtype) -> float:
    """FLOP/s of the product of two square matrices."""
    side = 8192 if device.type == "cuda" else 1024
    a, b = (torch.randn(side, side, device=device, dtype=dtype) for _ in range(2))
    return 2 * side**3 / _best(lambda: a @ b)


@cache
def read_bandwidth() -> float:
    """Bytes/s at which main memory is read: a dot product of numbers that fit in no cache."""
    numbers = np.ones(2**26, dtype=np.float32)
    return numbers.nbytes / _best(lambda: numbers @ numbers)


def flops(work: Callable[[], object]) -> int:
    """Floating-point operations of the matrix products and convolutions in `work`, backward passes included."""
    # Attention as products, because the counter does not know the fused kernel of CPUs.
    with sdpa_kernel(SDPBackend.MATH), FlopCounterMode(display=False) as counter:
        work()
    return counter.get_total_flops()


def _best(work: Callable[[], object], repeats: int = 9) -> float:
    work()
    return min(timed(work)[0] for _ in range(repeats))
