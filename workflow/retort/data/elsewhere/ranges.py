"""What the values of an image tensor mean: found out where only one meaning is possible, and turned into bytes."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from retort.base.errors import RetortError

IMAGENET = {"mean": (0.485, 0.456, 0.406), "std": (0.229, 0.224, 0.225)}
STATED = "values: unit (0 to 1), signed (-1 to 1), imagenet, bytes (0 to 255) or {mean: [...], std: [...]}"
ROUNDING = 1e-3  # by which half precision may leave a range
NEAR = 0.03  # from an end of ImageNet's normalised range, in which 1/255 is 0.017 to 0.018
REACHED = 0.9  # of -1 and 1, so that a range is not that of pale images normalised otherwise
MOST_OUTSIDE = 0.5  # of the values, above which a stated range is a mistake


@dataclass(frozen=True)
class Scale:
    """byte = value * factor + offset, by channel; `words` say what the values mean."""

    words: str
    factor: np.ndarray
    offset: np.ndarray

    @property
    def alike(self) -> bool:
        """Whether the channels have one meaning."""
        return len(set(self.factor)) == len(set(self.offset)) == 1

    def bytes_of(self, image: np.ndarray) -> np.ndarray:
        """(h, w, 3) numbers to (h, w, 3) uint8, each the nearest; what lies beyond 0 and 255 is cut off."""
        return np.rint(image * self.factor + self.offset).clip(0, 255).astype(np.uint8)

    def outside(self, image: np.ndarray) -> int:
        """How many values lie more than half a byte beyond."""
        found = image * self.factor + self.offset
        return int(((found < -0.5) | (found > 255.5)).sum())


def scale_of(dtype: np.dtype, low: np.ndarray, high: np.ndarray, stated: str | Mapping | None) -> Scale:
    """What the values mean, as the config has it or as their range shows.

    low, high: the least and the greatest value of each of the three channels. Raises RetortError, with what was found,
    where the range does not decide.
    """
    whole = np.issubdtype(dtype, np.integer)
    if whole and (low.min() < 0 or high.max() > 255 or (dtype != np.uint8 and high.max() <= 1)):
        raise RetortError(f"images are whole numbers {_range(low, high)}; bytes from 0 to 255 are read, or save floats")
    if whole and stated not in (None, "bytes"):
        raise RetortError(f"images are whole numbers {_range(low, high)}, which are bytes; leave values out")
    if not whole and stated == "bytes" and high.max() <= 1:
        raise RetortError(f"images are numbers {_range(low, high)}, which are no bytes from 0 to 255; state {STATED}")
    if stated is not None or whole:
        return _scale("bytes" if whole else stated)
    if low.min() >= -ROUNDING and high.max() <= 1 + ROUNDING:
        return _scale("unit")
    if -1 - ROUNDING <= low.min() <= -REACHED and REACHED <= high.max() <= 1 + ROUNDING:
        return _scale("signed")
    mean, std = (np.array(IMAGENET[key]) for key in ("mean", "std"))
    ends = np.concatenate([low - (0 - mean) / std, high - (1 - mean) / std])
    if np.abs(ends).max() < NEAR:
        return _scale("imagenet")
    raise RetortError(f"images are numbers {_range(low, high)}, which do not show what they mean; state {STATED}")


def _scale(stated: str | Mapping[str, Sequence[float]]) -> Scale:
    if isinstance(stated, str) and stated != "imagenet":
        factor, offset = {"unit": (255.0, 0.0), "signed": (127.5, 127.5), "bytes": (1.0, 0.0)}[stated]
        return Scale(stated, np.full(3, factor), np.full(3, offset))
    by = IMAGENET if stated == "imagenet" else stated
    words = stated if stated == "imagenet" else f"mean {list(by['mean'])}, std {list(by['std'])}"
    return Scale(words, 255 * np.array(by["std"]), 255 * np.array(by["mean"]))


def _range(low: np.ndarray, high: np.ndarray) -> str:
    return f"from {low.min():.4g} to {high.max():.4g}"
