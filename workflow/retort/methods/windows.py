"""Windows of an image ranked by typicality: the most typical patches that do not overlap (after the ECCV 2024 code)."""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F


@dataclass(frozen=True)
class Windows:
    """K windows: image (K,) int64, boxes (K, 4) int64 (top, left, height, width in pixels), value (K,) float32."""

    image: np.ndarray
    boxes: np.ndarray
    value: np.ndarray

    def __len__(self) -> int:
        return len(self.value)

    def take(self, rows: np.ndarray) -> "Windows":
        return Windows(self.image[rows], self.boxes[rows], self.value[rows])


def window_means(maps: Tensor, size: tuple[int, int], window: tuple[int, int]) -> Tensor:
    """Mean of every window of maps (N, h, w) upsampled to size (H, W): (N, H - kh + 1, W - kw + 1) float32.

    The upsampling is bilinear (align_corners False); windows of kh x kw pixels lie at every whole pixel inside the
    image. Both steps are linear and treat rows and columns apart, so each is a small float64 matrix and no map is ever
    upsampled. Raises ValueError when a window does not fit into the image.
    """
    if not all(0 < k <= side for k, side in zip(window, size, strict=True)):
        raise ValueError(f"a window of {window[0]} x {window[1]} pixels does not fit into {size[0]} x {size[1]}")
    rows = _upsampled_means(maps.shape[1], size[0], window[0]).to(maps.device)
    columns = _upsampled_means(maps.shape[2], size[1], window[1]).to(maps.device)
    return (rows @ maps.double() @ columns.T).float()


def _upsampled_means(cells: int, side: int, window: int) -> Tensor:
    """(side - window + 1, cells) float64: one axis of a map to the means of its upsampled stretches."""
    upsampled = F.interpolate(torch.eye(cells, dtype=torch.float64)[None], side, mode="linear", align_corners=False)
    return upsampled[0].unfold(1, window, 1).mean(dim=2).T


def best_windows(scores: Tensor | np.ndarray, window: tuple[int, int], per_image: int) -> Windows:
    """Up to `per_image` windows an image, best first, image after image; none overlaps or touches another.

    scores: (N, rows, columns), one for each window kh x kw at stride 1, as `window_means` gives them. Greedy: take the
    best (of equal ones the first in reading order), drop all that overlap or touch it, repeat. An image without room
    for `per_image` windows gives fewer. Raises ValueError for scores that are not finite.
    """
    scores = np.array(torch.as_tensor(scores).cpu(), dtype=np.float32)  # a copy: taken windows are crossed out in it
    _check_finite(scores)
    height, width = window
    found = []
    for image, left_over in enumerate(scores):
        for _ in range(per_image):
            top, left = np.unravel_index(left_over.argmax(), left_over.shape)
            value = left_over[top, left]
            if value == -np.inf:
                break
            found.append((image, (top, left, height, width), value))
            left_over[max(0, top - height) : top + height + 1, max(0, left - width) : left + width + 1] = -np.inf
    images, boxes, values = zip(*found, strict=True) if found else ((), (), ())
    return Windows(
        np.array(images, dtype=np.int64),
        np.array(boxes, dtype=np.int64).reshape(-1, 4),
        np.array(values, dtype=np.float32),
    )


def class_windows(
    maps: Tensor, size: tuple[int, int], window: tuple[int, int], per_image: int, images_per_batch: int = 64
) -> Windows:
    """`best_windows` of the `window_means` of maps (N, h, w), a few images at a time: no more scores are in memory."""
    parts = [best_windows(window_means(part, size, window), window, per_image) for part in maps.split(images_per_batch)]
    return Windows(
        np.concatenate([part.image + i * images_per_batch for i, part in enumerate(parts)]),
        np.concatenate([part.boxes for part in parts]),
        np.concatenate([part.value for part in parts]),
    )


def top_windows(windows: Windows, count: int) -> Windows:
    """The `count` windows of highest value over all images of a class, best first; fewer when there are fewer.

    Equal values keep the order in which they came.
    """
    return windows.take(np.argsort(-windows.value, kind="stable")[:count])


def _check_finite(scores: np.ndarray) -> None:
    if scores.ndim != 3:
        raise ValueError(f"scores must be (images, rows, columns), found {scores.shape}")
    if not np.isfinite(scores).all():
        wrong = np.flatnonzero(~np.isfinite(scores).all(axis=(1, 2))).tolist()
        raise ValueError(f"window scores of images {wrong} are not finite")
