"""A teacher that chooses from a pool without normalisation is measured so, before it does."""

import json

import numpy as np
import pytest
import torch
from tests.helpers.tiny_models import write_classes

from retort.base.errors import RetortError
from retort.base.tensors import write_tensors
from retort.models.classifiers import build_classifier
from retort.models.teacher import logits_of, save_teacher
from retort.stages.models.measure_raw_teacher import measure_raw_teacher

CLASSES = ["ant", "bee", "cat", "dog"]


@pytest.fixture
def home(tmp_path):
    """A teacher, and validation images; labels are what it says of them `normalised` or raw, by truth(...)."""
    torch.manual_seed(0)
    module = build_classifier("resnet8", 4, 16).eval()
    pixels = np.random.default_rng(0).integers(0, 256, (200, 1, 1, 3)).repeat(16, 1).repeat(16, 2).astype(np.uint8)
    logits = logits_of(module, pixels)
    with torch.no_grad():
        module.head.weight.mul_(20)
        module.head.bias.sub_((logits_of(module, pixels) - logits).mean(0))
    (tmp_path / "teacher").mkdir()
    save_teacher(module, tmp_path / "teacher", "resnet8", CLASSES, 16)
    write_classes(tmp_path / "classes.csv", CLASSES)
    return tmp_path, module, pixels


def measure(home, labels: np.ndarray) -> float:
    folder, _, pixels = home
    write_tensors(folder / "val.safetensors", {"pixels": pixels, "labels": labels})
    given = [str(folder / name) for name in ("teacher", "val.safetensors", "classes.csv", "raw.json")]
    measure_raw_teacher(*given, name="judge")
    return json.loads((folder / "raw.json").read_text())["top1"]


def test_a_teacher_that_bears_raw_images_is_recorded_with_what_it_reaches_on_them(home):
    _, module, pixels = home
    raw = logits_of(module, pixels, normalise=False).argmax(1).numpy()
    usual = logits_of(module, pixels).argmax(1).numpy()
    assert len(np.unique(raw)) > 1
    assert (raw != usual).any()
    assert measure(home, raw) == 1.0


def test_one_that_is_at_chance_so_stops_with_this_cause_named(home):
    _, module, pixels = home
    raw = logits_of(module, pixels, normalise=False).argmax(1).numpy()
    strange = np.random.default_rng(1).permutation(np.arange(len(raw)) % 4)
    assert np.mean(strange == raw) < 0.35
    with pytest.raises(RetortError) as caught:
        measure(home, strange)
    said = str(caught.value)
    assert "teacher 'judge' shown images in [-1, 1] without ImageNet's normalisation reaches top-1" in said
    assert "set select.teacher_input: normalised" in said
    assert not (home[0] / "raw.json").exists()
