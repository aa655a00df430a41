"""Latents stored in half precision: half the disk, and float32 again for everyone who reads them."""

from pathlib import Path

import numpy as np
import pytest
import torch
from tests.helpers.tiny_models import SIDE, Pictures, files, kept, read, save_models, write_classes

from retort.artifacts.features import class_features
from retort.artifacts.latents import LatentShards, latents_of_rows
from retort.base.errors import RetortError
from retort.base.tensors import open_tensors, write_tensors
from retort.models.codec import Codec
from retort.models.load import CodecFiles
from retort.stages.shared.embed_classes import embed_classes
from retort.stages.shared.encode_latents import encode_latents
from retort.stages.shared.invert_latents import invert_latents
from retort.stages.shared.score_typicality import score_typicality

CLASSES = ["ant", "bee", "cat", "dog"]


@pytest.fixture(scope="module")
def home(tmp_path_factory) -> Path:
    """Models, and pictures encoded to float32.safetensors and float16.safetensors."""
    folder = tmp_path_factory.mktemp("models")
    save_models(folder)
    write_classes(folder / "classes.csv", CLASSES)
    sizes = {class_id: {f"{class_id}{i}": (SIDE, SIDE) for i in range(6)} for class_id in CLASSES}
    pictures = Pictures(folder / "pictures", sizes)
    for store in ("float32", "float16"):
        encode(pictures.manifest, folder / f"{store}.safetensors", files(folder)["codec"], store)
    return folder


def encode(manifest: str, output: Path, codec: CodecFiles, store: str) -> None:
    settings = {"posterior": "mean", "dataset": "toy", "seed": 0, "batch": 4, "threads": 1}
    encode_latents(manifest, str(output), codec=codec, class_ids=CLASSES, store=store, **settings)


def test_half_precision_takes_half_the_space_and_is_the_same_rounded(home):
    single, half = (open_tensors(home / f"{store}.safetensors") for store in ("float32", "float16"))
    for class_id in CLASSES:
        full, rounded = single[f"latents/{class_id}"], half[f"latents/{class_id}"]
        assert (full.dtype, rounded.dtype) == (np.float32, np.float16)
        assert rounded.nbytes == full.nbytes / 2
        np.testing.assert_array_equal(rounded, full.astype(np.float16))
        np.testing.assert_array_equal(half[f"rows/{class_id}"], single[f"rows/{class_id}"])


def test_readers_give_single_precision(home):
    path = home / "float16.safetensors"
    stored = read(path)["latents/bee"].astype(np.float32)
    rows = read(path)["rows/bee"]
    found = latents_of_rows(path, "bee", rows[[2, 0]])
    assert found.dtype == np.float32
    np.testing.assert_array_equal(found, stored[[2, 0]])
    features, _ = class_features(str(path), "bee")
    assert features.dtype == np.float32
    np.testing.assert_array_equal(features, stored.reshape(6, -1))
    of_all = LatentShards([path], CLASSES)
    assert of_all(np.array([6, 7])).dtype == np.float32
    np.testing.assert_array_equal(of_all(np.array([6, 7])), stored[:2])


def test_stages_compute_from_half_precision_what_they_do_from_the_rounded_latents(home, tmp_path):
    """Inversion, typicality and embedding of the file, and of its numbers written out in single precision."""
    stored = read(home / "float16.safetensors")
    wide = {name: array.astype(np.float32) if array.dtype == np.float16 else array for name, array in stored.items()}
    write_tensors(tmp_path / "wide.safetensors", wide)
    table, made = str(home / "classes.csv"), []
    for latents in (home / "float16.safetensors", tmp_path / "wide.safetensors"):
        output = tmp_path / "output.safetensors"
        common = {**files(home), "class_ids": CLASSES, "batch": 4}
        invert_latents(str(latents), table, str(output), kept(tmp_path), steps=5, stop=3, guidance=1.0, **common)
        made.append(read(output))
        draws = {"draws": 2, "low": 0.1, "high": 0.7, "dataset": "toy", "seed": 0}
        score_typicality(str(latents), table, str(output), kept(tmp_path), **draws, **common)
        made.append(read(output))
        umap = {"neighbors": 3, "components": 2, "min_dist": 0.0, "dataset": "toy", "seed": 0}
        embed_classes(str(latents), str(output), class_ids=CLASSES, **umap)
        made.append(read(output))
    for half, single in zip(made[:3], made[3:], strict=True):
        assert half.keys() == single.keys()
        for name in half:
            assert half[name].dtype == single[name].dtype
            np.testing.assert_array_equal(half[name], single[name])


def test_a_latent_that_half_precision_cannot_hold_is_named(home, tmp_path, monkeypatch):
    encoded = Codec.encode
    monkeypatch.setattr(Codec, "encode", lambda codec, *given: 1e5 * torch.ones_like(encoded(codec, *given)))
    manifest = str(home / "pictures" / "manifest.parquet")
    encode(manifest, tmp_path / "wide.safetensors", files(home)["codec"], "float32")
    with pytest.raises(RetortError, match=r"latent of ant/ant0\.png is not finite; .*store: float32"):
        encode(manifest, tmp_path / "latents.safetensors", files(home)["codec"], "float16")
