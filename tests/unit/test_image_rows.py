"""Rows of an image set: held or gathered, the images are the same."""

import numpy as np
import pytest
import torch

from retort.models.pixels import to_images
from retort.protocols import image_rows
from retort.protocols.image_rows import ImageRows


@pytest.fixture
def pixels(tmp_path):
    """A read-only memory map, as a decoded split is."""
    array = np.random.default_rng(0).integers(0, 256, (11, 4, 4, 3), dtype=np.uint8)
    array.tofile(tmp_path / "pixels")
    return np.memmap(tmp_path / "pixels", np.uint8, "r", shape=array.shape)


@pytest.mark.parametrize("rows", [np.array([3, 10, 3, 0], dtype=np.int32), slice(2, 7), slice(8, 99)], ids=str)
@pytest.mark.parametrize("room", [0, 10_000])
@pytest.mark.filterwarnings("error")
def test_held_and_gathered_images_are_those_of_the_pixels(pixels, rows, room, monkeypatch):
    monkeypatch.setattr(image_rows, "PIECE", 4)
    images = ImageRows(pixels, torch.device("cpu"), room)
    assert (images._held is not None) == (room > 0)
    assert torch.equal(images[rows], to_images(pixels[rows]))
    assert len(images) == 11


def test_a_set_is_held_up_to_the_room_there_is_and_not_at_all_on_the_cpu(pixels):
    cpu = torch.device("cpu")
    assert ImageRows(pixels, cpu, pixels.nbytes)._held is not None
    assert ImageRows(pixels, cpu, pixels.nbytes - 1)._held is None
    assert ImageRows(pixels, cpu)._held is None
