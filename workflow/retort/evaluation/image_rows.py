"""Rows of an image set as images on the device that computes."""

from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import numpy as np
import torch
from torch import Tensor

from retort.evaluation.placed import placed
from retort.evaluation.views import Views
from retort.models.pixels import images_of

PIECE = 1024  # images that travel at once
AHEAD = 2  # batches that are gathered while others are used


class ImageRows:
    """Pixels (N, h, h, 3) uint8, possibly memory-mapped, of which rows are images (B, 3, h, h) in [-1, 1].

    A GPU that has `room` bytes for them gets them once. Else a thread gathers the next batches where they lie, into
    page-locked memory, from which a GPU takes them without waiting; on the CPU each is gathered when it is asked for.
    The images are the same to the bit. threaded: whether a thread gathers, by default for a GPU.
    """

    def __init__(self, pixels: np.ndarray, device: torch.device, room: int = 0, threaded: bool | None = None):
        self._pixels, self._device = pixels, device
        self._held = _moved(pixels, device) if pixels.nbytes <= room else None
        self._threaded = device.type == "cuda" if threaded is None else threaded

    def __len__(self) -> int:
        return len(self._pixels)

    def __getitem__(self, rows: np.ndarray | Tensor | slice) -> Tensor:
        """The images of (B,) row numbers, or of a slice."""
        if self._held is None:
            return self._shown(self._gathered(rows))
        if isinstance(rows, np.ndarray):
            rows = torch.from_numpy(rows).to(self._device)
        return images_of(self._held[rows if isinstance(rows, slice) else rows.long()])

    def of_views(self, plans: Iterable[Views]) -> Iterator[tuple[Views, Views, Tensor]]:
        """Each of the plans, the same where the images are (see `placed`), and the images that its rows name."""
        if self._held is None and self._threaded:
            for views, pixels in self._ahead((views, views.rows) for views in plans):
                yield views, placed(views, self._device), self._shown(pixels)
            return
        for views in plans:
            there = placed(views, self._device)
            yield views, there, self[views.rows if self._held is None else there.rows]

    def in_turn(self, batch: int) -> Iterator[tuple[slice, Tensor]]:
        """All images, `batch` at a time, each batch after the slice that it is."""
        parts = (slice(first, first + batch) for first in range(0, len(self), batch))
        if self._held is None and self._threaded:
            for part, pixels in self._ahead((part, part) for part in parts):
                yield part, self._shown(pixels)
            return
        for part in parts:
            yield part, self[part]

    def _ahead(self, wanted: Iterable[tuple[Any, np.ndarray | slice]]) -> Iterator[tuple[Any, Tensor]]:
        """Each wanted thing with the pixels of its rows, gathered while the ones before are used."""
        waiting: deque[tuple[Any, Future]] = deque()
        with ThreadPoolExecutor(1, "gathering") as pool:
            for what, rows in wanted:
                waiting.append((what, pool.submit(self._gathered, rows)))
                if len(waiting) > AHEAD:
                    first, pixels = waiting.popleft()
                    yield first, pixels.result()
            for first, pixels in waiting:
                yield first, pixels.result()

    def _gathered(self, rows: np.ndarray | slice) -> Tensor:
        """(B, h, h, 3) uint8, page-locked where a GPU will take it."""
        pin = self._device.type == "cuda"
        if isinstance(rows, slice):
            part = self._pixels[rows]
            found = torch.empty(part.shape, dtype=torch.uint8, pin_memory=pin)
            found.numpy()[...] = part
            return found
        found = torch.empty((len(rows), *self._pixels.shape[1:]), dtype=torch.uint8, pin_memory=pin)
        np.take(self._pixels, rows, axis=0, out=found.numpy(), mode="clip")  # "raise" would copy once more
        return found

    def _shown(self, pixels: Tensor) -> Tensor:
        return images_of(pixels.to(self._device, non_blocking=True))


def _moved(pixels: np.ndarray, device: torch.device) -> Tensor:
    """Piece by piece, so that a memory map is never in memory as a whole."""
    held = torch.empty(pixels.shape, dtype=torch.uint8, device=device)
    for first in range(0, len(pixels), PIECE):
        held[first : first + PIECE] = torch.from_numpy(np.array(pixels[first : first + PIECE]))
    return held
