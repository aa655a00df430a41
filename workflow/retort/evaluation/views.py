"""Augmented views: which images a step sees and how they are cropped, flipped, coloured and mixed.

A view is planned first and applied afterwards (`augment`). The plan of a step depends on seed words and the step
alone, so a teacher can label views today that a student sees tomorrow, and storing a label means storing its plan.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from retort.base.seeds import numpy_rng


@dataclass(frozen=True)
class ViewSettings:
    """Length (updates, steps or epochs, the others None), batch size and augmentation; see `views` in the config.

    Of a length in updates every batch has exactly `batch` views, so that sets of any size see equally much; of another
    one a batch never holds more views than there are images. shuffle is the grid of the set's mosaics, 1 for none. side
    is that of a view in pixels, None for as large as the set's images.
    """

    batch: int
    crop: tuple[float, float]
    flip: bool
    cutmix: float
    steps: int | None = None
    epochs: int | None = None
    mixup: float = 0.0
    jitter: float = 0.0
    lighting: float = 0.0
    shuffle: int = 1
    side: int | None = None
    updates: int | None = None

    @property
    def fixed(self) -> int | None:
        """Steps where the length is in steps or updates, whatever the number of images; None where it is in epochs."""
        return self.updates or self.steps

    def batches(self, images: int) -> int:
        """Steps per epoch when the length is in epochs."""
        return math.ceil(images / self.batch)

    def batch_of(self, images: int) -> int:
        """Views of the largest step."""
        return self.batch if self.updates else min(self.batch, images)

    def all_alike(self, images: int) -> bool:
        """Whether no batch is smaller than the others."""
        return bool(self.fixed) or images % self.batch_of(images) == 0

    def side_of(self, images: int) -> int:
        """Side of a view of images of so many pixels a side."""
        return self.side or images

    def total_steps(self, images: int) -> int:
        return self.fixed or self.epochs * self.batches(images)

    def total_views(self, images: int) -> int:
        """Views that all steps together have."""
        return self.extent(images, self.total_steps(images) - 1)[1]

    def extent(self, images: int, step: int) -> tuple[int, int]:
        """Places [first, end) of a step in the endless row of shuffled epochs."""
        if self.fixed:
            return step * self.batch_of(images), (step + 1) * self.batch_of(images)
        epoch, place = divmod(step, self.batches(images))
        return epoch * images + place * self.batch, epoch * images + min((place + 1) * self.batch, images)

    def schedule_position(self, images: int, step: int) -> tuple[int, int]:
        """(now, length) for the learning rate: in epochs when the length is in epochs, as the papers do."""
        return (step, self.fixed) if self.fixed else (step // self.batches(images), self.epochs)

    def arrays(self) -> dict[str, tuple[tuple[int, ...], str]]:
        """Shape (of one view) and dtype of what is planned for every view; see `Views`."""
        return {
            "rows": ((), "int32"),
            "boxes": ((4,), "float32"),
            "flips": ((), "bool"),
            "partners": ((), "int32"),
            **({"strips": ((2, self.shuffle), "int8")} if self.shuffle > 1 else {}),
            **({"tint_order": ((3,), "int8"), "tints": ((3,), "float32")} if self.jitter else {}),
            **({"lights": ((3,), "float32")} if self.lighting else {}),
        }

    def step_arrays(self) -> dict[str, tuple[tuple[int, ...], str]]:
        """The same of what all views of a step share."""
        return {"cut": ((4,), "int16"), **({"blend": ((), "float64")} if self.mixup else {})}


OF_EACH_VIEW = ("rows", "boxes", "flips", "partners", "strips", "tint_order", "tints", "lights")


@dataclass(frozen=True)
class Views:
    """One batch of B planned views of images that are h pixels a side. What is None is not done.

    Crops of images that are larger than the views begin and end between two pixels, as torchvision's do.
    The arrays of `OF_EACH_VIEW` are tensors where a plan was placed on the device that computes (see `placed`).
    """

    rows: np.ndarray
    """(B,) int32: the image behind each view."""
    boxes: np.ndarray
    """(B, 4) float32: top, left, height, width of the crop, as shares of the side."""
    flips: np.ndarray
    """(B,) bool: mirrored left to right."""
    partners: np.ndarray
    """(B,) int32: the view of this batch that CutMix pastes from, or MixUp blends with."""
    cut: np.ndarray
    """(4,) int16: top, bottom, left, right of the pasted region in pixels; all 0 without CutMix."""
    blend: np.ndarray | float = 1.0
    """Share of its own in each view after MixUp."""
    strips: np.ndarray | None = None
    """(B, 2, f) int8: the new order of the f columns, then of the f rows, of a mosaic's patches."""
    tint_order: np.ndarray | None = None
    """(B, 3) int8: order in which brightness (0), contrast (1) and saturation (2) change."""
    tints: np.ndarray | None = None
    """(B, 3) float32: how much, in that order."""
    lights: np.ndarray | None = None
    """(B, 3) float32: strength of each principal colour of ImageNet that is added."""
    side: int | None = None
    """Of a view, in pixels; None for h."""

    def kept(self, side: int) -> float:
        """Share of each view, of `side` pixels, that is its own and not its partner's."""
        top, bottom, left, right = map(int, self.cut)
        return float(self.blend) * (1 - (bottom - top) * (right - left) / side**2)


def plan_views(settings: ViewSettings, images: int, side: int, step: int, words: Sequence[str | int]) -> Views:
    """The views of one step over `images` images of `side` pixels, drawn from seed `words` and the step.

    CutMix's region is of the view's own pixels. Images larger than the views are cropped at whole pixels, of what is
    left of the image where its patches do not divide it.
    """
    rng = numpy_rng(*words, "step", step)
    rows = _shuffled_rows(images, *settings.extent(images, step), words)
    n = len(rows)
    shown = settings.side_of(side)
    boxes = crop_boxes(rng, n, settings.crop, pixels=None if shown == side else side - side % settings.shuffle)
    flips = rng.random(n) < (0.5 if settings.flip else 0.0)
    partners = rng.permutation(n).astype(np.int32)
    cut, more = np.zeros(4, dtype=np.int16), {}
    if settings.cutmix:
        share = rng.beta(settings.cutmix, settings.cutmix)
        cut[:] = cutmix_box(shown, shown, share, rng.integers(shown), rng.integers(shown))
    if settings.mixup:
        more["blend"] = np.float64(rng.beta(settings.mixup, settings.mixup))
    if settings.shuffle > 1:
        more["strips"] = rng.permuted(np.tile(np.arange(settings.shuffle, dtype=np.int8), (n, 2, 1)), axis=2)
    if settings.jitter:
        more["tint_order"] = rng.permuted(np.tile(np.arange(3, dtype=np.int8), (n, 1)), axis=1)
        more["tints"] = rng.uniform(-settings.jitter, settings.jitter, (n, 3)).astype(np.float32)
    if settings.lighting:
        more["lights"] = rng.normal(0, settings.lighting, (n, 3)).astype(np.float32)
    return Views(rows, boxes, flips, partners, cut, **more, side=settings.side)


def _shuffled_rows(images: int, first: int, end: int, words: Sequence[str | int]) -> np.ndarray:
    epochs = range(first // images, (end - 1) // images + 1)
    orders = ((_order(images, epoch, tuple(words)), epoch * images) for epoch in epochs)
    return np.concatenate([order[max(first - start, 0) : end - start] for order, start in orders])


@lru_cache(maxsize=2)
def _order(images: int, epoch: int, words: tuple[str | int, ...]) -> np.ndarray:
    """Kept for the steps of the epoch: a million images take 20 ms to shuffle."""
    return numpy_rng(*words, "order", epoch).permutation(images).astype(np.int32)


def crop_boxes(
    rng: np.random.Generator, n: int, area: tuple[float, float], tries: int = 10, pixels: int | None = None
) -> np.ndarray:
    """(n, 4) float32 boxes (top, left, height, width, shares of the side) of random resized crops.

    Area uniform in `area`, aspect ratio log-uniform in 3/4..4/3; of ten tries the first that fits, else a
    centred square of the smallest side, which are torchvision's rules. pixels: the side of an image that is cropped at
    whole pixels, sizes rounded and every corner equally likely, as torchvision's RandomResizedCrop does.
    """
    areas = rng.uniform(*area, (n, tries))
    ratios = np.exp(rng.uniform(np.log(3 / 4), np.log(4 / 3), (n, tries)))
    widths, heights = np.sqrt(areas * ratios), np.sqrt(areas / ratios)
    if pixels:
        widths, heights = (np.maximum(np.rint(sizes * pixels), 1) / pixels for sizes in (widths, heights))
    fits = (widths <= 1) & (heights <= 1)
    first = fits.argmax(axis=1)
    none = ~fits.any(axis=1)
    width = np.where(none, 1.0, widths[np.arange(n), first])
    height = np.where(none, 1.0, heights[np.arange(n), first])
    top, left = rng.random(n), rng.random(n)
    if pixels:
        top, left = (np.floor(at * ((1 - size) * pixels + 1)) / pixels for at, size in ((top, height), (left, width)))
    else:
        top, left = top * (1 - height), left * (1 - width)
    return np.stack([top, left, height, width], axis=1).astype(np.float32)


def cutmix_box(height: int, width: int, share: float, row: int, column: int) -> tuple[int, int, int, int]:
    """(top, bottom, left, right) of the region to paste: 1 - share of the area, centred, clipped (Yun et al. 2019)."""
    ratio = np.sqrt(1.0 - share)
    half_height, half_width = int(height * ratio) // 2, int(width * ratio) // 2
    return (
        max(row - half_height, 0),
        min(row + half_height, height),
        max(column - half_width, 0),
        min(column + half_width, width),
    )
