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


def draw_sheet(
    rows: Sequence[Row], heads: Sequence[str], output: str, tile: int = TILE, columns: Sequence[str] = ()
) -> None:
    """A PNG with one line per row; groups stand in columns under their heads, as wide as the widest row needs.

    columns: a name over each tile of the one group, at a slant.
    """
    font = ImageFont.load_default(13)
    margin = 2 * MARGIN + max(int(font.getlength(name)) for name, _ in rows)
    names = [_slanted(name, font) for name in columns]
    top, step = (22 if any(heads) else 4), tile + GAP
    top = max([top, *(name.height for name in names)])
    starts, x = [], margin
    for group, head in enumerate(heads):
        starts.append(x)
        tiles = max(len(groups[group]) for _, groups in rows)
        x += max(tiles * step, int(font.getlength(head)) + GAP) + BETWEEN
    at = [margin + i * step + tile // 2 - name.height // 4 for i, name in enumerate(names)]
    width = max([x - BETWEEN + MARGIN, *(left + name.width for left, name in zip(at, names, strict=True))])
    sheet = Image.new("RGB", (width, top + len(rows) * step + 4), PAPER)
    pen = ImageDraw.Draw(sheet)
    for left, name in zip(at, names, strict=True):
        sheet.paste(INK, (left, top - name.height), name)
    for start, head in zip(starts, heads, strict=True):
        pen.text((start, 3), head, INK, font)
    for y, (name, groups) in enumerate(rows):
        pen.text((MARGIN, top + y * step + tile // 2 - 8), name, INK, font)
        for start, tiles in zip(starts, groups, strict=True):
            for i, pixels in enumerate(tiles):
                sheet.paste(_fitted(pixels, tile), (start + i * step, top + y * step))
    with whole_file(output) as scratch:
        sheet.save(scratch, format="png")


def _slanted(name: str, font: ImageFont.FreeTypeFont) -> Image.Image:
    """A mask of the words, rising to the right."""
    mask = Image.new("L", (int(font.getlength(name)) + 2, 17))
    ImageDraw.Draw(mask).text((1, 0), name, 255, font)
    return mask.rotate(45, Image.Resampling.BICUBIC, expand=True)


def _fitted(pixels: np.ndarray, tile: int) -> Image.Image:
    enlarge = Image.Resampling.NEAREST if pixels.shape[0] < tile else Image.Resampling.LANCZOS
    return Image.fromarray(np.asarray(pixels)).resize((tile, tile), enlarge)
