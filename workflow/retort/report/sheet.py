"""Sheets of small pictures: rows with a name, tiles in groups, a heading over each group."""

from collections.abc import Sequence

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from retort.base.files import whole_file

GAP, MARGIN, BETWEEN = 2, 6, 14
INK, PAPER = (40, 40, 40), (255, 255, 255)
TILE = 48
Row = tuple[str, Sequence[Sequence[np.ndarray]]]
"""A name and, for each group, its tiles: (h, h, 3) uint8 of any side."""


def draw_sheet(rows: Sequence[Row], heads: Sequence[str], output: str, tile: int = TILE) -> None:
    """A PNG with one line per row; groups stand in columns under their heads, as wide as the widest row needs."""
    font = ImageFont.load_default(13)
    margin = 2 * MARGIN + max(int(font.getlength(name)) for name, _ in rows)
    top, step = (22 if any(heads) else 4), tile + GAP
    starts, x = [], margin
    for group, head in enumerate(heads):
        starts.append(x)
        tiles = max(len(groups[group]) for _, groups in rows)
        x += max(tiles * step, int(font.getlength(head)) + GAP) + BETWEEN
    sheet = Image.new("RGB", (x - BETWEEN + MARGIN, top + len(rows) * step + 4), PAPER)
    pen = ImageDraw.Draw(sheet)
    for start, head in zip(starts, heads, strict=True):
        pen.text((start, 3), head, INK, font)
    for y, (name, groups) in enumerate(rows):
        pen.text((MARGIN, top + y * step + tile // 2 - 8), name, INK, font)
        for start, tiles in zip(starts, groups, strict=True):
            for i, pixels in enumerate(tiles):
                sheet.paste(_fitted(pixels, tile), (start + i * step, top + y * step))
    with whole_file(output) as scratch:
        sheet.save(scratch, format="png")


def _fitted(pixels: np.ndarray, tile: int) -> Image.Image:
    enlarge = Image.Resampling.NEAREST if pixels.shape[0] < tile else Image.Resampling.LANCZOS
    return Image.fromarray(np.asarray(pixels)).resize((tile, tile), enlarge)
