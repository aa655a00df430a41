"""Sheets of small pictures: names over columns make room for themselves and leave the tiles as they are."""

import numpy as np
import pytest
from PIL import Image

from retort.report.sheet import GAP, TILE, draw_sheet


def drawn(path, columns=()) -> np.ndarray:
    """Two rows of three tiles, each of one colour."""
    tiles = [[np.full((8, 8, 3), 40 * (1 + i + 3 * row), np.uint8) for i in range(3)] for row in range(2)]
    draw_sheet([("one", [tiles[0]]), ("two", [tiles[1]])], ("",), str(path), columns=columns)
    return np.asarray(Image.open(path))


def test_names_over_the_columns_stand_above_the_tiles_and_move_nothing_sideways(tmp_path):
    bare, named = drawn(tmp_path / "bare.png"), drawn(tmp_path / "named.png", ["bag", "shirt", "ankle boot"])
    above = len(named) - len(bare)
    assert above > 20
    np.testing.assert_array_equal(named[above + 4 :, : bare.shape[1]], bare[4:])  # 4: the edge above the tiles
    ink = np.flatnonzero((named[: above + 4] < 128).all(2).any(0))  # columns with letters in them
    of_tile = [(bare[4:] == 40 * (1 + i)).all(2).sum(0) > TILE // 2 for i in range(3)]
    starts = [int(np.flatnonzero(found)[0]) for found in of_tile]
    assert starts == [starts[0] + i * (TILE + GAP) for i in range(3)]
    assert starts[0] <= ink[0] < starts[1]
    assert any(ink > starts[2])


@pytest.mark.parametrize("name", ["x" * 60, "a"])
def test_the_last_name_is_not_cut_off(tmp_path, name):
    named = drawn(tmp_path / "named.png", ["a", "b", name])
    assert (named[:, -1] > 128).all()
    assert (named[0] > 128).all()
