"""Typicality maps over the images that gave the first patches of each class, and the windows that were cut."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
import torch
from PIL import Image, ImageDraw
from torch.nn import functional as F

from retort.artifacts.patches import read_patches
from retort.base.tensors import open_tensors
from retort.data.images import read_rgb, square
from retort.data.manifest import read_classes, read_split
from retort.report.sheet import draw_sheet

SIDE = 96
WARM, COLD = np.array([213, 94, 0]), np.array([0, 114, 178])  # Okabe and Ito: told apart with any colour vision


def draw_typicality(
    maps: Sequence[str],
    patches: Sequence[str],
    manifest: str,
    class_table: str,
    figure: str,
    *,
    most_classes: int,
    first: int,
) -> None:
    """One row per class: the images of its `first` patches, then the same under their maps with the windows.

    Orange is typical of the class, blue of anything else; colours share one scale within a class.
    """
    table = pd.concat([read_patches(path) for path in patches])
    arrays = {name: array for path in maps for name, array in open_tensors(path).items()}
    shown, rows = read_classes(class_table)[:most_classes], []
    train = read_split(manifest, "train", [c.id for c in shown]).set_index("row")
    for c in shown:
        best = list(table[table["class_id"] == c.id].head(first).itertuples())
        place = {int(r): i for i, r in enumerate(arrays[f"rows/{c.id}"])}
        heat = [np.asarray(arrays[f"maps/{c.id}"][place[p.row]]) for p in best]
        scale = max(np.quantile(np.abs(heat), 0.99), 1e-12)
        plain = [square(read_rgb(train.loc[p.row, "path"]), SIDE) for p in best]
        over = [
            _overlaid(pixels, h / scale, p, train.loc[p.row]) for pixels, h, p in zip(plain, heat, best, strict=True)
        ]
        rows.append((c.name, [plain, over]))
    draw_sheet(rows, ("images of the first patches", "typicality and windows"), figure, tile=SIDE)


def _overlaid(pixels: np.ndarray, heat: np.ndarray, patch, image) -> np.ndarray:
    """The image in grey under its map (h, w) in [-1, 1], with the patch's window drawn on it."""
    tall = torch.from_numpy(np.clip(heat, -1, 1).astype(np.float32))[None, None]
    weight = F.interpolate(tall, (SIDE, SIDE), mode="bilinear", align_corners=False)[0, 0].numpy()[..., None]
    grey = pixels.mean(axis=2, keepdims=True)
    mixed = grey * (1 - 0.6 * np.abs(weight)) + 0.6 * np.abs(weight) * np.where(weight > 0, WARM, COLD)
    canvas = Image.fromarray(mixed.clip(0, 255).astype(np.uint8))
    short = min(image["width"], image["height"])
    top, left = (
        (corner - (whole - short) / 2) * SIDE / short
        for corner, whole in ((patch.top, image["height"]), (patch.left, image["width"]))
    )
    box = [left, top, left + patch.width * SIDE / short - 1, top + patch.height * SIDE / short - 1]
    ImageDraw.Draw(canvas).rectangle(box, outline=(0, 0, 0), width=3)
    ImageDraw.Draw(canvas).rectangle(box, outline=(255, 255, 255), width=1)
    return np.asarray(canvas)
