"""What a step needs, sent to the device that computes at once: every transfer of its own would wait for the GPU."""

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
import torch
from torch import Tensor

from retort.evaluation.views import OF_EACH_VIEW, Views

ALIGNED = 8  # bytes: no number is longer


def sent(arrays: Mapping[str, np.ndarray], device: torch.device) -> dict[str, Tensor]:
    """The arrays as tensors on a device; a GPU gets them all in one page-locked piece, without anybody waiting."""
    if device.type != "cuda":
        return {name: torch.from_numpy(array) for name, array in arrays.items()}
    return unpacked(packed(arrays, pin=True).to(device, non_blocking=True), arrays)


def packed(arrays: Mapping[str, np.ndarray], pin: bool = False) -> Tensor:
    """The bytes of all arrays one after the other, each beginning at a multiple of `ALIGNED`."""
    total = sum(map(_room, arrays.values()))
    piece, first = torch.empty(total, dtype=torch.uint8, pin_memory=pin), 0
    for array in arrays.values():
        piece.numpy()[first : first + array.nbytes] = np.ascontiguousarray(array).reshape(-1).view(np.uint8)
        first += _room(array)
    return piece


def unpacked(piece: Tensor, like: Mapping[str, np.ndarray]) -> dict[str, Tensor]:
    """Views into what `packed` made of arrays `like` these, wherever it is now."""
    found, first = {}, 0
    for name, array in like.items():
        dtype = torch.from_numpy(np.empty(0, array.dtype)).dtype
        found[name] = piece[first : first + array.nbytes].view(dtype).view(array.shape)
        first += _room(array)
    return found


def placed(views: Views, device: torch.device) -> Views:
    """The same with tensors on a device for the arrays that hold something of each view; the others stay here."""
    if isinstance(views.rows, Tensor):
        return views
    arrays = {name: array for name in OF_EACH_VIEW if (array := getattr(views, name)) is not None}
    return replace(views, **sent(arrays, device))


def _room(array: np.ndarray) -> int:
    return -(-array.nbytes // ALIGNED) * ALIGNED
