"""Rows of an image set as images on the device that computes."""

import numpy as np
import torch
from torch import Tensor

from retort.models.pixels import images_of, images_on

SHARE = 4  # of a GPU's free memory one set may take a quarter: students need little of the rest
PIECE = 1024  # images that travel at once


class ImageRows:
    """Pixels (N, h, h, 3) uint8, possibly memory-mapped, of which rows are images (B, 3, h, h) in [-1, 1].

    A GPU that has room for them gets the bytes once; else the rows of every batch are gathered where they lie. The
    images are the same to the bit. room: bytes that may be held, by default a quarter of a GPU's free memory.
    """

    def __init__(self, pixels: np.ndarray, device: torch.device, room: int | None = None):
        self._pixels, self._device = pixels, device
        room = _spare_bytes(device) if room is None else room
        self._held = _moved(pixels, device) if pixels.nbytes <= room else None

    def __len__(self) -> int:
        return len(self._pixels)

    def __getitem__(self, rows: np.ndarray | slice) -> Tensor:
        """The images of (B,) row numbers, or of a slice."""
        if self._held is None:
            return images_on(self._device, np.array(self._pixels[rows]))
        if isinstance(rows, np.ndarray):
            rows = torch.from_numpy(rows).to(self._device).long()
        return images_of(self._held[rows])


def _spare_bytes(device: torch.device) -> int:
    """None on the CPU, where the bytes are already."""
    return torch.cuda.mem_get_info(device)[0] // SHARE if device.type == "cuda" else 0


def _moved(pixels: np.ndarray, device: torch.device) -> Tensor:
    """Piece by piece, so that a memory map is never in memory as a whole."""
    held = torch.empty(pixels.shape, dtype=torch.uint8, device=device)
    for first in range(0, len(pixels), PIECE):
        held[first : first + PIECE] = torch.from_numpy(np.array(pixels[first : first + PIECE]))
    return held
