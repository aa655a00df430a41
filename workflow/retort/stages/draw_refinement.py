"""What the refinement of latents changed in the images."""

from collections.abc import Sequence

import numpy as np

from retort.data.files import read_rows
from retort.data.manifest import read_classes
from retort.data.tensors import open_tensors
from retort.stages.sheet import draw_sheet

MOST_IMAGES, AMPLIFY = 5, 8


def draw_refinement(
    generated: Sequence[str],
    refined: Sequence[str],
    chosen: Sequence[str],
    class_table: str,
    output: str,
    *,
    classes: int,
) -> None:
    """One row per class: images before, after, and their difference, amplified around grey.

    `chosen` names the members of the pool that were refined; without it, all of what was generated.
    """
    picks = {(int(r["class_index"]), int(r["index"])): int(r["member"]) for path in chosen for r in read_rows(path)}
    before = {place: pixels for path in generated for place, pixels in _by_place(path)}
    after = {place: pixels for path in refined for place, pixels in _by_place(path)}
    rows = []
    for c in read_classes(class_table)[:classes]:
        places = [place for place in after if place[0] == c.index][:MOST_IMAGES]
        pairs = [(before[c.index, picks.get(place, place[1])], after[place]) for place in places]
        rows.append((c.name, [[b for b, _ in pairs], [a for _, a in pairs], [_difference(*pair) for pair in pairs]]))
    draw_sheet(rows, ("before", "after", f"difference x {AMPLIFY}"), output)


def _by_place(path: str):
    tensors = open_tensors(path)
    for c, i, pixels in zip(tensors["class_index"], tensors["index"], tensors["pixels"], strict=True):
        yield (int(c), int(i)), pixels


def _difference(before: np.ndarray, after: np.ndarray) -> np.ndarray:
    moved = after.astype(np.int32) - before.astype(np.int32)
    return np.clip(128 + AMPLIFY * moved, 0, 255).astype(np.uint8)
