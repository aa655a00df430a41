"""A compiled network is asked for one shape in a whole shard, as each other one would be compiled again."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from tests.helpers.tiny_models import CLASSES, SHAPE, files, kept, read, save_models, write_random_latents

from retort.base.batches import repeated_to
from retort.base.running import Running
from retort.models.dit import DiT
from retort.stages.shared.invert_latents import invert_latents
from retort.stages.shared.score_typicality import score_typicality

COUNTS = {"ant": 6, "bee": 3, "cat": 2, "dog": 5}
STAGES = {
    "typicality": (score_typicality, {"draws": 4, "low": 0.1, "high": 0.7, "dataset": "toy", "seed": 0}),
    "inversion": (invert_latents, {"steps": 6, "stop": 4, "guidance": 2.0}),
}


@pytest.fixture(scope="module")
def home(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("models")
    save_models(folder)
    write_random_latents(folder / "latents.safetensors", COUNTS)
    return folder


def computed(home: Path, stage: str, run: Running) -> dict[str, np.ndarray]:
    work, settings = STAGES[stage]
    given = files(home)
    given["model"] = replace(given["model"], run=run)
    paths = [str(home / name) for name in ("latents.safetensors", "classes.csv", "output.safetensors")]
    work(*paths, kept(home), **given, class_ids=CLASSES, batch=4, **settings)
    return read(home / "output.safetensors")


@pytest.mark.parametrize("stage", STAGES)
def test_a_compiled_network_sees_one_shape_and_the_result_is_the_same(home, monkeypatch, stage):
    shapes, eps = [], DiT.eps
    monkeypatch.setattr(torch.nn.Module, "compile", lambda self, **options: None)
    monkeypatch.setattr(DiT, "eps", lambda self, x, t, c: shapes.append(tuple(x.shape)) or eps(self, x, t, c))
    usual = computed(home, stage, Running())
    assert len(set(shapes)) > 1
    shapes.clear()
    found = computed(home, stage, Running(compile=True))
    assert set(shapes) == {(8, *SHAPE)}  # two branches of a batch
    assert found.keys() == usual.keys()
    for name in usual:
        assert found[name].shape == usual[name].shape
        np.testing.assert_allclose(found[name], usual[name], rtol=1e-3, atol=1e-5)


@pytest.mark.parametrize(("size", "rows"), [(0, [0, 1, 2]), (3, [0, 1, 2]), (5, [0, 1, 2, 2, 2])])
def test_items_are_filled_up_with_the_last_one(size, rows):
    items = torch.arange(6).reshape(3, 2)
    assert torch.equal(repeated_to(items, size), items[rows])
