"""Images read as their random crops, by processes that import no teacher and leave the one that does its time."""

from dataclasses import dataclass

import numpy as np
import torch

from retort.artifacts.patches import to_unit
from retort.base.seeds import torch_rng
from retort.data.images import read_rgb
from retort.methods.mosaics import cut_crops, random_crop_boxes


@dataclass(frozen=True)
class CropReader:
    """paths: image id -> file. Crops are seeded by image, and resized to `side` pixels."""

    paths: dict[str, str]
    crops: int
    area: tuple[float, float]
    side: int
    dataset: str
    seed: int

    def __call__(self, name: str) -> np.ndarray:
        """(crops, 4 + 3 * side * side) float32: each crop's box in pixels of the file, and its own in [0, 1].

        In one array, which is what passes between processes; float32 holds whole numbers up to 2**24.
        """
        image = to_unit(np.array(read_rgb(self.paths[name])))
        generator = torch_rng(self.seed, "crops", self.dataset, name)
        boxes = random_crop_boxes(*image.shape[1:], self.crops, self.area, generator)
        cut = cut_crops(image, boxes, self.side).flatten(1).numpy()
        return np.concatenate([boxes.astype(np.float32), cut], axis=1)

    def parts(self, read: np.ndarray) -> tuple[np.ndarray, torch.Tensor]:
        """Boxes (crops, 4) int64 and crops (crops, 3, side, side) float32 of what was read."""
        cut = torch.from_numpy(np.ascontiguousarray(read[:, 4:])).view(-1, 3, self.side, self.side)
        return read[:, :4].astype(np.int64), cut
