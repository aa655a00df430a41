"""What the refinement of latents changed in the images."""

from collections.abc import Sequence

import numpy as np

from retort.artifacts.cells import Cell, members_of, places_of
from retort.base.tensors import open_tensors
from retort.data.manifest import read_classes
from retort.report.sheet import draw_sheet

MOST_IMAGES, AMPLIFY = 5, 8


def draw_refinement(
    generated: Sequence[str],
    refined: Sequence[str],
    chosen: Sequence[str],
    class_table: str,
    figure: str,
    *,
    most_classes: int,
) -> None:
    """One row per class: images before, after, and their difference, amplified around grey.

    `chosen` names the members of the pool that were refined; when it is empty, all of what was generated.
    """
    picks, before, after = members_of(chosen), _by_cell(generated), _by_cell(refined)
    rows = []
    for c in read_classes(class_table)[:most_classes]:
        cells = [cell for cell in after if cell[0] == c.index][:MOST_IMAGES]
        pairs = [(before[c.index, picks.get(cell, cell[1])], after[cell]) for cell in cells]
        rows.append((c.name, [[b for b, _ in pairs], [a for _, a in pairs], [_difference(*pair) for pair in pairs]]))
    draw_sheet(rows, ("before", "after", f"difference x {AMPLIFY}"), figure)


def _by_cell(paths: Sequence[str]) -> dict[Cell, np.ndarray]:
    """The pixels of every cell, memory-mapped."""
    shards = map(open_tensors, paths)
    return {cell: tensors["pixels"][place] for tensors in shards for cell, place in places_of(tensors).items()}


def _difference(before: np.ndarray, after: np.ndarray) -> np.ndarray:
    moved = after.astype(np.int32) - before.astype(np.int32)
    return np.clip(128 + AMPLIFY * moved, 0, 255).astype(np.uint8)
