"""Mosaics of real crops (RDED, CVPR 2024): random crops, the teacher's pick of them, and f x f of them to an image."""

import math
from typing import Literal

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

Fill = Literal["strided", "consecutive"]

TRIES = 10  # draws before a crop falls back to the whole square, as in torchvision


def random_crop_boxes(
    height: int, width: int, count: int, area: tuple[float, float], generator: torch.Generator
) -> np.ndarray:
    """(count, 4) int64 boxes (top, left, height, width) of random square crops of a height x width image.

    A crop's share of the image is uniform in `area`. Numbers are drawn in the order of torchvision's random resized
    crop with aspect ratio 1, so a (CPU) generator gives the crops that the same global seed gives RDED; a square that
    does not fit is drawn again, and after ten such draws the largest centred square is taken.
    """
    return np.array([_crop_box(height, width, area, generator) for _ in range(count)], dtype=np.int64).reshape(-1, 4)


def _crop_box(
    height: int, width: int, area: tuple[float, float], generator: torch.Generator
) -> tuple[int, int, int, int]:
    def uniform(low: float, high: float) -> float:
        return torch.empty(1).uniform_(low, high, generator=generator).item()

    def below(end: int) -> int:
        return torch.randint(0, end, (1,), generator=generator).item()

    for _ in range(TRIES):
        pixels = height * width * uniform(*area)
        uniform(0.0, 0.0)  # the logarithm of the aspect ratio: always 0, but it takes a draw
        side = round(math.sqrt(pixels))
        if 0 < side <= min(height, width):
            return below(height - side + 1), below(width - side + 1), side, side
    side = min(height, width)
    return (height - side) // 2, (width - side) // 2, side, side


def cut_crops(image: Tensor, boxes: np.ndarray, side: int) -> Tensor:
    """Crops (count, 3, side, side) of an image (3, H, W) float, bilinear with antialiasing; not clamped, not rounded.

    boxes: (count, 4) top, left, height, width. Raises ValueError for a box that is empty or leaves the image.
    """
    crops = []
    for top, left, height, width in np.asarray(boxes).tolist():
        if not (0 <= top < top + height <= image.shape[1] and 0 <= left < left + width <= image.shape[2]):
            raise ValueError(
                f"box (top {top}, left {left}, height {height}, width {width}) does not lie in an image of "
                f"{image.shape[1]} x {image.shape[2]} pixels"
            )
        crop = image[None, :, top : top + height, left : left + width]
        crops.append(F.interpolate(crop, (side, side), mode="bilinear", align_corners=False, antialias=True))
    return torch.cat(crops) if crops else image.new_empty(0, image.shape[0], side, side)


def padded(crops: Tensor, side: int) -> Tensor:
    """Crops (N, C, h, w) centred in zeros, (N, C, side, side); an odd margin is smaller at the top and left.

    RDED pads *normalised* crops, so its margin is the mean colour. Raises ValueError for crops larger than `side`.
    """
    margins = side - crops.shape[2], side - crops.shape[3]
    if min(margins) < 0:
        raise ValueError(f"crops of {crops.shape[2]} x {crops.shape[3]} pixels do not fit into {side} x {side}")
    (top, left), (bottom, right) = (m // 2 for m in margins), (m - m // 2 for m in margins)
    return F.pad(crops, (left, right, top, bottom))


def crop_losses(logits: Tensor, labels: Tensor) -> Tensor:
    """-log softmax(logits)[label], (N,) float32 for logits (N, K) and labels (N,) int64.

    As RDED computes it: the logarithm of a rounded probability, infinite where that probability underflows.
    """
    return -logits.float().softmax(dim=1).gather(1, labels[:, None]).squeeze(1).log()


def best_crop_per_image(losses: np.ndarray) -> np.ndarray:
    """(n,) int64, the crop of lowest loss for each of n images, from losses (m, n); the first of equals, NaN last."""
    return np.argsort(losses, axis=0, kind="stable")[0]


def ranked_by_loss(losses: np.ndarray) -> np.ndarray:
    """(n,) int64, images by loss (n,) ascending; equals in their own order, NaN last."""
    return np.argsort(losses, kind="stable")


def mosaic_cells(factor: int, side: int) -> list[int]:
    """Pixels of each of `factor` rows (and columns) of a mosaic; the first side % factor are 1 larger.

    Raises ValueError unless 1 <= factor <= side.
    """
    if not 1 <= factor <= side:
        raise ValueError(f"a mosaic of {side} pixels takes 1 to {side} patches a side, found {factor}")
    return [side // factor + (i < side % factor) for i in range(factor)]


def mosaic_ranks(images: int, factor: int, fill: Fill) -> np.ndarray:
    """(images, factor * factor) int64: which patch, counted from the best, lies in each cell in reading order.

    "strided" is RDED's: cell k of image j takes k * images + j, so that every image has one of the best patches.
    "consecutive" is ours: image j takes the j-th f * f patches, so a larger set begins with the smaller ones.
    """
    ranks = np.arange(images * factor**2)
    if fill == "strided":
        return ranks.reshape(factor**2, images).T
    if fill == "consecutive":
        return ranks.reshape(images, factor**2)
    raise ValueError(f'fill must be "strided" or "consecutive", found {fill!r}')


def stitch(patches: Tensor, images: int, factor: int, side: int, fill: Fill) -> Tensor:
    """Mosaics (images, C, side, side) of factor x factor patches each, from patches (P, C, h, w), best first.

    Every patch is resized to its cell by nearest neighbour, on whatever scale or in whatever type it comes; patches
    beyond images * factor^2 are not used. Raises ValueError when there are fewer.
    """
    needed = images * factor**2
    if len(patches) < needed:
        raise ValueError(
            f"{images} mosaics of {factor} x {factor} need {needed} patches, found {len(patches)}; "
            "lower the images per class or the factor, or give more patches"
        )
    cells = mosaic_cells(factor, side)
    ranks = torch.from_numpy(mosaic_ranks(images, factor, fill)).to(patches.device)
    rows = []
    for i, height in enumerate(cells):
        row = [F.interpolate(patches[ranks[:, i * factor + j]], (height, width)) for j, width in enumerate(cells)]
        rows.append(torch.cat(row, dim=3))
    return torch.cat(rows, dim=2)


def to_uint8_truncated(images: Tensor) -> np.ndarray:
    """(N, 3, h, w) float in [0, 1] to (N, h, w, 3) uint8; fractions of a grey level are cut off, as RDED does.

    Values outside [0, 1] are clamped. Raises ValueError for NaN, which no grey level stands for.
    """
    if images.isnan().any():
        raise ValueError("images with NaN cannot be written as pixels")
    return (images * 255).clamp(0, 255).to(torch.uint8).permute(0, 2, 3, 1).cpu().numpy()
