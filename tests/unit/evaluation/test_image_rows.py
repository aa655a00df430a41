"""Rows of an image set: held, gathered or gathered ahead, the images are the same; and the room there is for them."""

import threading
from dataclasses import replace
from functools import partial

import numpy as np
import pytest
import torch

from retort.evaluation import image_rows
from retort.evaluation.augment import apply_views
from retort.evaluation.image_rows import ImageRows
from retort.evaluation.placed import packed, placed, unpacked
from retort.evaluation.views import OF_EACH_VIEW, Views, ViewSettings, plan_views
from retort.models.classifiers import build_classifier
from retort.models.memory import spare_bytes, step_bytes
from retort.models.pixels import to_images


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


# ---------------------------------------------------------------- in the order in which they are used


def plans(steps: int = 7) -> list[Views]:
    settings = ViewSettings(batch=4, crop=(0.4, 1.0), flip=True, cutmix=1.0, steps=steps, shuffle=2, jitter=0.1)
    return [plan_views(settings, 11, 4, step, (0, "views")) for step in range(steps)]


@pytest.mark.parametrize("threaded", [False, True])
@pytest.mark.parametrize("room", [0, 10_000])
@pytest.mark.filterwarnings("error")
def test_held_gathered_and_gathered_ahead_are_the_same_images(pixels, room, threaded):
    images = ImageRows(pixels, torch.device("cpu"), room, threaded)
    found = list(images.of_views(plans()))
    assert len(found) == 7
    for wanted, (plan, there, shown) in zip(plans(), found, strict=True):
        assert torch.equal(shown, to_images(pixels[wanted.rows]))
        assert np.array_equal(plan.rows, wanted.rows)
        assert all(torch.equal(getattr(there, n), torch.from_numpy(getattr(wanted, n))) for n in ("rows", "tints"))
    batches = list(images.in_turn(4))
    assert [part for part, _ in batches] == [slice(0, 4), slice(4, 8), slice(8, 12)]
    assert torch.equal(torch.cat([shown for _, shown in batches]), to_images(pixels))


def test_a_thread_gathers_two_batches_ahead_and_no_more(pixels, monkeypatch):
    images, asked, threads = ImageRows(pixels, torch.device("cpu"), 0, threaded=True), [], set()
    gathered = images._gathered

    def watched(rows):
        threads.add(threading.current_thread())
        return gathered(rows)

    def wanted():
        for plan in plans():
            asked.append(plan)
            yield plan

    monkeypatch.setattr(images, "_gathered", watched)
    for used, _ in enumerate(images.of_views(wanted()), start=1):
        assert len(asked) == min(used + 2, 7)
    assert len(threads) == 1
    assert threading.main_thread() not in threads


def test_what_goes_wrong_in_the_thread_is_raised_where_the_images_are_asked_for(pixels):
    images = ImageRows(pixels, torch.device("cpu"), 0, threaded=True)
    images._pixels = None
    with pytest.raises(AttributeError, match="shape"):
        next(images.of_views(plans()))


def test_a_loop_that_is_left_leaves_no_thread_behind(pixels):
    before = threading.active_count()
    for _ in ImageRows(pixels, torch.device("cpu"), 0, threaded=True).of_views(plans()):
        break
    assert threading.active_count() == before


# ---------------------------------------------------------------- one transfer


def test_what_is_packed_comes_out_equal_to_the_bit_whatever_lies_beside_it():
    rng = np.random.default_rng(0)
    arrays = {
        "rows": rng.integers(0, 9, 5, dtype=np.int32),
        "flips": rng.random(5) < 0.5,
        "strips": rng.integers(0, 3, (5, 2, 3), dtype=np.int8).transpose(1, 0, 2),  # not in one piece
        "logits": rng.normal(size=(5, 3)).astype(np.float16),
        "blend": np.float64(rng.random())[None],
        "none": np.zeros((0, 4), dtype=np.float32),
        "boxes": rng.normal(size=(5, 4)).astype(np.float32),
    }
    piece = packed(arrays)
    assert piece.dtype == torch.uint8
    assert len(piece) == sum(-(-array.nbytes // 8) * 8 for array in arrays.values())
    found = unpacked(piece, arrays)
    assert list(found) == list(arrays)
    for name, array in arrays.items():
        assert torch.equal(found[name], torch.from_numpy(np.ascontiguousarray(array))), name
        assert found[name].dtype == torch.from_numpy(np.ascontiguousarray(array)).dtype, name


def test_a_plan_that_is_placed_makes_the_same_views_and_is_not_sent_again():
    (plan,) = plans(1)
    images = torch.rand(4, 3, 4, 4) * 2 - 1
    there = placed(plan, torch.device("cpu"))
    assert placed(there, torch.device("cpu")) is there
    assert isinstance(there.cut, np.ndarray)
    assert torch.equal(apply_views(images, plan), apply_views(images, there))
    arrays = {n: v for n in OF_EACH_VIEW if (v := getattr(plan, n)) is not None}
    travelled = replace(plan, **unpacked(packed(arrays), arrays))
    assert torch.equal(apply_views(images, plan), apply_views(images, travelled))


def test_every_array_that_holds_something_of_each_view_is_placed():
    everything = ViewSettings(4, (0.4, 1.0), True, 1.0, steps=1, jitter=0.1, lighting=0.1, shuffle=2)
    assert set(everything.arrays()) == set(OF_EACH_VIEW)


# ---------------------------------------------------------------- room


def test_the_memory_of_a_step_is_that_of_its_tensors():
    """A linear layer without bias: images, weights, logits; on the way back gradients of logits and weights."""
    layer = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(12, 1000, bias=False))
    weights, logits = 12 * 1000 * 4, 8 * 1000 * 4
    images = 8 * 12 * 4
    assert logits + images <= step_bytes(layer, 8, 2, "float32", learn=False) <= logits + 2 * images
    need = step_bytes(layer, 8, 2, "float32", learn=True)
    assert 3 * weights + logits + images <= need <= 3 * weights + 2 * logits + 2 * images
    assert step_bytes(layer, 8, 2, "bfloat16", learn=True) < need
    assert layer[1].weight.grad is None  # counted on a copy


@pytest.mark.parametrize(
    ("arch", "batch", "gib"), [("resnet18", 200, 4.2), ("resnet50", 100, 8.3), ("resnet101", 200, 24.0)]
)
def test_the_memory_of_the_papers_students(arch, batch, gib):
    """What docs and presets say of GPUs with 24 GB comes from here."""
    module = build_classifier(arch, 1000, 224)
    assert step_bytes(module, batch, 224, "float32", True) / 2**30 == pytest.approx(gib, rel=0.02)
    assert step_bytes(module, batch, 224, "bfloat16", True) / 2**30 == pytest.approx(gib / 2, rel=0.06)
    assert step_bytes(module, batch // 2, 224, "float32", True) / 2**30 == pytest.approx(gib / 2, rel=0.06)


class LooksInside(torch.nn.Module):
    def forward(self, images):
        return images if images.sum().item() > 0 else -images


@pytest.mark.parametrize(("free", "room"), [(40, 40 - 2 - 24.01), (24, 0)])
def test_a_gpu_gives_away_what_the_network_leaves(monkeypatch, free, room):
    """A GPU that is only said to be one."""
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda device: (free * 2**30, 80 * 2**30))
    monkeypatch.setattr(torch.cuda, "empty_cache", lambda: None)
    module, passes = build_classifier("resnet101", 1000, 224), [(200, "float32", True), (256, "float32", False)]
    spare = partial(spare_bytes, torch.device("cuda"))
    assert spare(module, 224, passes) / 2**30 == pytest.approx(room, abs=0.3)
    assert spare(LooksInside(), 224, passes) == free * 2**30 // 4
    assert spare_bytes(torch.device("cpu"), module, 224, passes) == 0
