"""Images read ahead of what is made of them: in order, by worker processes, never more than a few batches."""

import multiprocessing
import sys
import time
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from functools import partial
from types import ModuleType
from typing import Self

import numpy as np

from retort.base.errors import RetortError
from retort.data.images import CROP, BadImage, Fit, read_rgb, square

FEW = 2000  # images that this process has read itself before others have started
MOST_AHEAD = 2**29  # bytes of squares that may wait to be used, whatever the batch and the number of readers
AHEAD = 2  # pieces that each reader may have read before they are asked for, where MOST_AHEAD allows it
SQUARES, WHOLE = 16, 4  # images that travel together where no batch is asked for

Batch = np.ndarray | list[np.ndarray]


def stream_batches(
    batches: Sequence[Sequence[str]], side: int, threads: int = 1, fit: Fit = CROP, pin: bool = False
) -> Iterator[np.ndarray]:
    """(n, side, side, 3) uint8 for each batch of n paths, in order, made square as `fit` says.

    pin: into page-locked memory, from which a GPU copies while it computes. Raises as `read_ahead` does.
    """
    read = partial(_read_square, side=side, fit=fit)
    return read_ahead(batches, read, threads, stack=True, size=side * side * 3, pin=pin)


def stream_squares(paths: Sequence[str], side: int, threads: int = 1, fit: Fit = CROP) -> Iterator[np.ndarray]:
    """(side, side, 3) uint8 for each path, in order. Raises as `read_ahead` does."""
    for squares in stream_batches(_cut(paths, SQUARES), side, threads, fit):
        yield from squares


def stream_images(paths: Sequence[str], threads: int = 1) -> Iterator[np.ndarray]:
    """(height, width, 3) uint8 for each path at its own size, in order. Raises as `read_ahead` does."""
    for images in read_ahead(_cut(paths, WHOLE), _read_whole, threads):
        yield from images


class Awaited:
    """An iterator over what another one gives, which counts the `seconds` until it was given."""

    def __init__(self, source: Iterable[Batch]):
        self._source, self.seconds = iter(source), 0.0

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> Batch:
        began = time.perf_counter()
        try:
            return next(self._source)
        finally:
            self.seconds += time.perf_counter() - began


def read_ahead(
    batches: Sequence[Sequence[str]],
    read: Callable[[str], np.ndarray],
    threads: int = 1,
    *,
    stack: bool = False,
    size: int = 0,
    pin: bool = False,
) -> Iterator[Batch]:
    """What `read` makes of each path, batch by batch in order: a list of arrays, or one array where they `stack`.

    Where there are many images and more than one thread, as many processes read up to AHEAD pieces ahead each;
    otherwise this process reads when it is asked. A piece is a batch, or as much of it as keeps all that waits below
    MOST_AHEAD, where `size` is the bytes of one image of those that stack (0: not known). Raises BadImage as `read`
    does, after the images before it, and RetortError when a process dies.
    """
    reader, longest = _Reader(read, stack), max(map(len, batches), default=0)
    share = share_of_readers(threads, longest, size)
    if share.readers < 2 or sum(map(len, batches)) < FEW:
        found = (reader[batch] for batch in batches)
    elif share.piece < longest:
        pieces = [piece for batch in batches for piece in _cut(batch, share.piece)]
        found = _joined(_read_by_workers(reader, pieces, share, pin=False), batches, pin)
    else:
        found = _read_by_workers(reader, batches, share, pin)
    with closing(found):  # or those who still read would be left alone with an error that ends the job
        for images, problem in found:
            if len(images):
                yield images
            if problem:
                raise BadImage(problem)


@dataclass(frozen=True)
class Share:
    """How many readers there are, how many pieces each may have read ahead, and of how many images a piece is."""

    readers: int
    ahead: int
    piece: int


def share_of_readers(threads: int, longest: int, size: int) -> Share:
    """As many readers as threads while an image each fits into MOST_AHEAD, and then the largest pieces that do.

    longest: images of the longest batch; size: bytes of an image, 0 where that is not known.
    """
    held = max(1, MOST_AHEAD // size) if size else 2 * threads * max(longest, 1)
    readers = min(threads, held)
    ahead = AHEAD if AHEAD * readers <= held else 1
    return Share(readers, ahead, min(longest, held // (ahead * readers)))


@dataclass(frozen=True)
class _Reader:
    """What torch calls a data set: indexed by a batch of paths, which its sampler supplies.

    A bad image is told, not raised: an exception that crosses processes arrives wrapped in tracebacks.
    """

    read: Callable[[str], np.ndarray]
    stack: bool

    def __getitem__(self, paths: Sequence[str]) -> tuple[Batch, str]:
        images, problem = [], ""
        try:
            images.extend(map(self.read, paths))
        except BadImage as error:
            problem = str(error)
        return (np.stack(images) if self.stack and images else images), problem


def _joined(
    pieces: Generator[tuple[Batch, str]], batches: Sequence[Sequence[str]], pin: bool
) -> Iterator[tuple[Batch, str]]:
    """Batches put together from their pieces as these arrive; one with trouble ends before the bad image."""
    with closing(pieces):
        for batch in batches:
            images, problem = next(pieces)
            if problem or len(images) == len(batch):
                yield images, problem
                continue
            whole = _empty((len(batch), *images.shape[1:]), images.dtype, pin)
            whole[: len(images)], filled = images, len(images)
            while filled < len(batch) and not problem:
                images, problem = next(pieces)
                if len(images):
                    whole[filled : filled + len(images)] = images
                filled += len(images)
            yield whole[:filled], problem


def _empty(shape: tuple[int, ...], dtype: np.dtype, pin: bool) -> np.ndarray:
    """Room for a batch, in page-locked memory where it is asked for."""
    if not pin:
        return np.empty(shape, dtype)
    import torch

    return torch.empty(shape, dtype=torch.from_numpy(np.empty(0, dtype)).dtype, pin_memory=True).numpy()


def _read_by_workers(
    reader: _Reader, batches: Sequence[Sequence[str]], share: Share, pin: bool
) -> Generator[tuple[Batch, str]]:
    import torch
    from torch.utils.data import DataLoader

    # Fresh processes: forked ones would inherit the threads, locks and CUDA state of this one.
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["torch.utils.data", __name__])
    loader = DataLoader(
        reader,
        batch_size=None,
        sampler=batches,
        num_workers=share.readers,
        prefetch_factor=share.ahead,
        pin_memory=pin,
        multiprocessing_context=context,
        generator=torch.Generator(),  # its own, so that reading images draws nothing from the global one
    )
    with _without_main():
        waiting = iter(loader)
    while True:
        try:
            images, problem = next(waiting)
        except StopIteration:
            return
        except (RuntimeError, OSError, EOFError) as error:
            if not _died(error):
                raise
            raise RetortError(
                "a process that read images was killed, as happens when memory or shared memory (/dev/shm) runs out; "
                "give the job more of it, or fewer threads or readers (with one it starts no other process)"
            ) from error
        yield ([image.numpy() for image in images] if isinstance(images, list) else images.numpy()), problem


def _died(error: Exception) -> bool:
    """Whether torch means that a process is gone: found so, or noticed when what it had sent could not be fetched."""
    raised_there = "in DataLoader worker process" in str(error)
    return not raised_there and (not isinstance(error, RuntimeError) or "exited unexpectedly" in str(error))


@contextmanager
def _without_main() -> Iterator[None]:
    """Hide the main module while processes start: they would import it, and so run the script of the job again."""
    main = sys.modules["__main__"]
    sys.modules["__main__"] = ModuleType("__main__")
    try:
        yield
    finally:
        sys.modules["__main__"] = main


def _read_square(path: str, side: int, fit: Fit) -> np.ndarray:
    return square(read_rgb(path), side, fit)


def _read_whole(path: str) -> np.ndarray:
    return np.array(read_rgb(path))  # a copy: processes pass on nothing that is read-only


def _cut(paths: Sequence[str], size: int) -> list[Sequence[str]]:
    return [paths[first : first + size] for first in range(0, len(paths), size)]
