"""Typicality as a stage: the method's own maps, whatever the shard and the batch."""

from pathlib import Path

import numpy as np
import pytest
import torch
from tests.helpers.tiny_models import CLASSES, SHAPE, files, kept, read, save_models, write_classes, write_latents

from retort.base.errors import RetortError
from retort.base.seeds import torch_rng
from retort.base.tensors import write_tensors
from retort.methods.typicality import draw_noises, typicality_maps
from retort.models.load import load_diffusion
from retort.stages.shared.score_typicality import score_typicality

COUNTS = {"ant": 5, "bee": 3, "cat": 1, "dog": 4}
DRAWS = {"draws": 6, "low": 0.1, "high": 0.7}  # six, so that the last of DRAWS_AT_ONCE = 4 is a short batch


@pytest.fixture(scope="module")
def home(tmp_path_factory) -> Path:
    """Models, and latents of four classes in latents.safetensors."""
    folder = tmp_path_factory.mktemp("models")
    save_models(folder)
    rng = np.random.default_rng(0)
    latents = {c: rng.standard_normal((n, *SHAPE)) for c, n in COUNTS.items()}
    rows = {c: 100 * k + np.arange(n)[::-1] for k, (c, n) in enumerate(COUNTS.items())}
    write_latents(folder / "latents.safetensors", latents, rows)
    return folder


def scored(home: Path, classes=tuple(COUNTS), batch=3, latents="latents.safetensors", **changes) -> dict:
    settings = DRAWS | {"dataset": "toy", "seed": 0} | changes
    table, output = settings.pop("table", home / "classes.csv"), home / "maps.safetensors"
    paths = (str(home / latents), str(table), str(output))
    score_typicality(*paths, kept(home), **files(home), class_ids=list(classes), batch=batch, **settings)
    assert not (home / "kept").exists()
    return read(output)


@torch.inference_mode()
def directly(home: Path, class_id: str) -> np.ndarray:
    """All images of a class in one call, one draw at a time."""
    model = load_diffusion(*files(home).values())
    draws = draw_noises(SHAPE, 6, 1000, 0.1, 0.7, torch_rng(0, "typicality", "toy"))
    latents = torch.from_numpy(read(home / "latents.safetensors")[f"latents/{class_id}"])
    condition = {"class_labels": torch.full((len(latents),), CLASSES.index(class_id))}
    return typicality_maps(model, latents, condition, model.null(len(latents)), *draws).numpy()


def test_maps_are_the_methods_own_and_name_their_rows(home):
    found, latents = scored(home), read(home / "latents.safetensors")
    assert set(found) == {f"{what}/{c}" for what in ("maps", "rows") for c in COUNTS}
    for class_id, n in COUNTS.items():
        maps = found[f"maps/{class_id}"]
        assert maps.shape == (n, *SHAPE[1:])
        assert maps.dtype == np.float32
        np.testing.assert_allclose(maps, directly(home, class_id), rtol=1e-3, atol=1e-5)
        np.testing.assert_array_equal(found[f"rows/{class_id}"], latents[f"rows/{class_id}"])
        assert maps.std() > 1e-3


@pytest.mark.parametrize("batch", [1, 2, 16])
def test_maps_do_not_depend_on_the_batch_beyond_rounding(home, batch):
    usual, other = scored(home), scored(home, batch=batch)
    for name in usual:
        np.testing.assert_allclose(other[name], usual[name], rtol=1e-3, atol=1e-5)


def test_maps_do_not_depend_on_the_shard(home):
    whole = scored(home)
    for cuts in ([("ant",), ("bee", "cat", "dog")], [("dog", "ant"), ("cat",), ("bee",)]):
        parts = {name: array for cut in cuts for name, array in scored(home, cut).items()}
        assert set(parts) == set(whole)
        for name in whole:
            np.testing.assert_array_equal(parts[name], whole[name])


@pytest.mark.parametrize("change", [{"seed": 1}, {"dataset": "other"}, {"draws": 5}, {"low": 0.3}, {"high": 0.5}])
def test_settings_seed_and_data_set_reach_the_maps(home, change):
    usual, other = scored(home, ["bee"])["maps/bee"], scored(home, ["bee"], **change)["maps/bee"]
    assert other.shape == usual.shape
    assert (np.abs(other - usual).max(axis=(1, 2)) > 1e-3).all()


def test_equal_images_of_a_class_have_equal_maps_and_of_another_class_others(home):
    """The draws are the same for every image; the condition is the class's own."""
    latent = np.random.default_rng(1).standard_normal((1, *SHAPE)).repeat(2, axis=0)
    write_latents(home / "equal.safetensors", {"ant": latent, "bee": latent}, {"ant": [0, 1], "bee": [2, 3]})
    found = scored(home, ["ant", "bee"], batch=1, latents="equal.safetensors")
    np.testing.assert_array_equal(found["maps/ant"][0], found["maps/ant"][1])
    assert np.abs(found["maps/ant"][0] - found["maps/bee"][0]).max() > 1e-3


def test_latents_that_are_lost_name_their_class(home):
    tensors = read(home / "latents.safetensors")
    tensors["latents/dog"][3, 0, 0, 0] = np.nan
    write_tensors(home / "broken.safetensors", tensors)
    with pytest.raises(RetortError, match=r"class dog: a latent in .*broken\.safetensors is not finite; delete the"):
        scored(home, latents="broken.safetensors")


def test_a_class_table_of_another_length_is_refused(home, tmp_path):
    write_classes(tmp_path / "classes.csv", CLASSES[:3])
    with pytest.raises(RetortError, match="knows 4 classes but the data set has 3"):
        scored(home, ["ant"], table=tmp_path / "classes.csv")
