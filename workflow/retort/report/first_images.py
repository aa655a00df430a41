"""The first images of each class, of distilled sets and of the real ones, for pictures."""

from collections.abc import Sequence

import numpy as np
from tqdm import tqdm

from retort.artifacts.sets import read_set
from retort.data.manifest import ClassEntry, read_split
from retort.data.streams import stream_squares

MOST_IMAGES = 10


def with_real(
    sets: Sequence[str], names: Sequence[str], manifest: str, shown: Sequence[ClassEntry], side: int
) -> list[tuple[str, tuple[np.ndarray, np.ndarray]]]:
    """(name, (pixels (n, side, side, 3) uint8, labels (n,))) of real images of the shown classes, then of each set."""
    given = tqdm(list(zip(names, sets, strict=True)), desc="reading", unit="set")
    found = [(name, read_set(path, None, len(shown), MOST_IMAGES)) for name, path in given]
    return [("real", real_images(manifest, shown, side)), *found]


def real_images(manifest: str, shown: Sequence[ClassEntry], side: int) -> tuple[np.ndarray, np.ndarray]:
    """Pixels and labels of the first training images of each class, from their files."""
    images = read_split(manifest, "train", [c.id for c in shown], columns=["path", "class_id"])
    first, label = images.groupby("class_id").head(MOST_IMAGES), {c.id: c.index for c in shown}
    return np.stack(list(stream_squares(first["path"].tolist(), side))), first["class_id"].map(label).to_numpy()


def first_of(pixels: np.ndarray, labels: np.ndarray, label: int, count: int) -> list[np.ndarray]:
    """The first `count` images of a label, (side, side, 3) uint8 each; fewer where there are fewer."""
    return [pixels[i] for i in np.flatnonzero(labels == label)[:count]]
