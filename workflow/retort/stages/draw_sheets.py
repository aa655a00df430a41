"""Contact sheets: what is in a distilled set, and the same classes across methods."""

from collections.abc import Sequence

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from retort.data.files import whole_file
from retort.data.manifest import read_classes
from retort.stages.decode import open_split
from retort.stages.distilled import read_set

GAP, INK, PAPER = 2, (40, 40, 40), (255, 255, 255)
MOST_CLASSES, MOST_IMAGES, TILE = 20, 10, 48


def draw_contact_sheet(distilled: str, train: str, class_table: str, output: str, *, title: str) -> None:
    """One row per class: real training images on the left, the distilled ones on the right."""
    classes = read_classes(class_table)[:MOST_CLASSES]
    real, real_labels = open_split(train)
    pixels, labels = read_set(distilled, train)
    across = min(MOST_IMAGES, int(np.bincount(labels).max()))
    rows = [
        (
            c.name,
            [real[i] for i in np.flatnonzero(real_labels == c.index)[:5]],
            [pixels[i] for i in np.flatnonzero(labels == c.index)[:across]],
        )
        for c in classes
    ]
    _save(_grid(rows, ("real", title)), output)


def draw_gallery(sets: Sequence[str], names: Sequence[str], train: str, class_table: str, output: str) -> None:
    """One row per distilled set, one column per class: the first image of each, real images above."""
    classes = read_classes(class_table)[:MOST_CLASSES]
    rows = []
    for name, (pixels, labels) in [
        ("real", open_split(train)),
        *((n, read_set(s, train)) for n, s in zip(names, sets, strict=True)),
    ]:
        rows.append((name, [pixels[np.flatnonzero(labels == c.index)[0]] for c in classes], []))
    _save(_grid(rows, ("", "")), output)


def _grid(rows: list[tuple[str, list, list]], heads: tuple[str, str]) -> Image.Image:
    """Rows of a name, tiles on the left and tiles on the right, under two headings."""
    font = ImageFont.load_default(13)
    margin = 12 + max(int(font.getlength(name)) for name, _, _ in rows)
    top = 22 if any(heads) else 4
    left, right = max(len(r[1]) for r in rows), max(len(r[2]) for r in rows)
    step = TILE + GAP
    start = {0: margin, 1: margin + left * step + (14 if right else 0)}
    width = start[1] + max(right * step, int(font.getlength(heads[1])) if heads[1] else 0) + 6
    sheet = Image.new("RGB", (width, top + len(rows) * step + 4), PAPER)
    pen = ImageDraw.Draw(sheet)
    for side, head in enumerate(heads):
        pen.text((start[side], 3), head, INK, font)
    for y, (name, *sides) in enumerate(rows):
        pen.text((6, top + y * step + TILE // 2 - 8), name, INK, font)
        for side, tiles in enumerate(sides):
            for x, pixels in enumerate(tiles):
                enlarge = Image.Resampling.NEAREST if pixels.shape[0] < TILE else Image.Resampling.LANCZOS
                tile = Image.fromarray(np.asarray(pixels)).resize((TILE, TILE), enlarge)
                sheet.paste(tile, (start[side] + x * step, top + y * step))
    return sheet


def _save(sheet: Image.Image, output: str) -> None:
    with whole_file(output) as scratch:
        sheet.save(scratch, format="png")
