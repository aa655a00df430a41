"""Numbers that were finite when they were written: each stage that reads others says of which class, in which file."""

from pathlib import Path

import numpy as np
import pytest
from tests.helpers.stopping import stops
from tests.helpers.tiny_models import CLASSES, SHAPE, SIDE, Pictures, read, write_latents

from retort.artifacts.latents import LatentShards, latents_of_rows
from retort.base.tensors import write_tensors
from retort.methods.groups import BLOCK, best_groups
from retort.stages.shared import embed_classes as embed_stage
from retort.stages.shared.choose_representatives import choose_representatives
from retort.stages.shared.choose_starts import choose_starts
from retort.stages.shared.cluster_classes import cluster_classes
from retort.stages.shared.embed_classes import embed_classes
from retort.stages.shared.score_windows import score_windows

COMMON = {"dataset": "toy", "seed": 0}
UMAP = {"class_ids": CLASSES, "neighbors": 2, "components": 1, "min_dist": 0.0}
HDBSCAN = {"min_cluster_size": 3, "min_samples": 2}


@pytest.fixture(scope="module")
def pictures(tmp_path_factory) -> Pictures:
    """Three pictures of each class, and their latents beside them."""
    folder = tmp_path_factory.mktemp("files")
    pictures = Pictures(folder / "images", {c: {str(i): (SIDE, SIDE) for i in range(3)} for c in CLASSES})
    rng = np.random.default_rng(0)
    latents = {c: rng.standard_normal((3, *SHAPE)) for c in CLASSES}
    write_latents(folder / "latents.safetensors", latents, {c: pictures.rows_of(c) for c in CLASSES})
    return pictures


@pytest.fixture
def damaged(pictures, tmp_path) -> Path:
    """The latents, of which the second of "cat" has an infinity."""
    tensors = read(pictures.folder.parent / "latents.safetensors")
    tensors["latents/cat"][1, 2, 0, 0] = np.inf
    write_tensors(tmp_path / "damaged.safetensors", tensors)
    return tmp_path / "damaged.safetensors"


CORRUPT = ("class cat: a latent in .* is not finite", "delete the file and run again: it will be rebuilt")


def test_a_training_names_the_class_of_a_lost_latent(damaged):
    latents = LatentShards([damaged], CLASSES)
    assert latents(np.array([0, 6, 11])).shape == (3, *SHAPE)
    stops(CORRUPT, latents, np.array([0, 7, 11]))


def test_a_guide_names_the_class_of_a_lost_latent(damaged, pictures):
    rows = pictures.rows_of("cat")
    assert latents_of_rows(damaged, "cat", rows[:1]).shape == (1, *SHAPE)
    stops(CORRUPT, latents_of_rows, damaged, "cat", rows[1:2])


def test_an_embedding_names_the_class_of_a_lost_latent(damaged, tmp_path):
    stops(CORRUPT, embed_classes, str(damaged), str(tmp_path / "embedded"), **UMAP, **COMMON)


def test_an_embedding_that_umap_loses_names_its_class(pictures, monkeypatch, tmp_path):
    monkeypatch.setattr(embed_stage, "embed", lambda features, **_: np.full((len(features), 2), np.nan))
    paths = (str(pictures.folder.parent / "latents.safetensors"), str(tmp_path / "embedded"))
    stops(("class ant: the embedding is not finite", r"raise umap\.neighbors"), embed_classes, *paths, **UMAP, **COMMON)


def test_a_discovery_names_the_class_of_a_damaged_embedding(pictures, tmp_path):
    points = np.random.default_rng(0).standard_normal((2, 12, 2)).astype(np.float32)
    points[1, 3, 1] = np.nan
    tensors = {}
    for class_id, own in zip(("ant", "bee"), points, strict=True):
        tensors |= {f"embedding/{class_id}": own, f"rows/{class_id}": np.arange(12)}
        tensors |= {f"labels/{class_id}": np.zeros(12, np.int64), f"probabilities/{class_id}": np.ones(12)}
    path, words = tmp_path / "found.safetensors", ("class bee: the embedding in .* is not finite", "delete the file")
    write_tensors(path, tensors)
    outputs = [str(tmp_path / name) for name in ("clustered", "listing")]
    stops(words, cluster_classes, str(path), *outputs, class_ids=["ant", "bee"], **HDBSCAN)
    inputs = (str(path), pictures.manifest, pictures.table, str(tmp_path / "chosen"))
    stops(words, choose_representatives, *inputs, class_indices=[1], number=2, **HDBSCAN, **COMMON)


def test_windows_name_the_class_of_a_damaged_map(pictures, tmp_path):
    maps = {f"maps/{c}": np.zeros((3, 4, 4), np.float32) for c in CLASSES}
    maps["maps/cat"][2, 1, 1] = np.nan
    write_tensors(tmp_path / "maps.safetensors", maps | {f"rows/{c}": np.array(pictures.rows_of(c)) for c in CLASSES})
    paths = (str(tmp_path / "maps.safetensors"), pictures.manifest, str(tmp_path / "patches.csv"))
    settings = {"class_ids": CLASSES, "resolution": SIDE, "window": 0.25, "per_image": 1, "keep": 3}
    stops(("class cat: a map in .* is not finite", "delete the file"), score_windows, *paths, **settings)


# ---------------------------------------------------------------- groups

CHOICE = {"number": 2, "search": "groups", "groups": 10, "skew_weight": 0.1} | COMMON


def write_statistics(folder: Path, what: str, label: int, value: float) -> str:
    """Means and variances of three classes, of which one has another value throughout."""
    tensors = {"mean": np.zeros((3, *SHAPE)), "variance": np.ones((3, *SHAPE)), "count": np.full(3, 5)}
    tensors[what][label] = value
    write_tensors(folder / "inverted.safetensors", tensors)
    return str(folder / "inverted.safetensors")


@pytest.mark.parametrize("what", ["mean", "variance"])
def test_statistics_that_are_lost_name_the_class(tmp_path, what):
    words = (f"class number 1: the {what} of its inverted latents .*inverted.safetensors is not finite", "delete the")
    stops(words, choose_starts, [write_statistics(tmp_path, what, 1, np.nan)], str(tmp_path / "starts"), **CHOICE)


@pytest.mark.filterwarnings("ignore:overflow")
def test_scores_that_no_group_has_name_the_class(tmp_path):
    path = write_statistics(tmp_path, "variance", 2, 1e308)  # finite, but their sum is not
    words = ("class number 2: the score of every group is not finite", "lower the inversion's guidance")
    stops(words, choose_starts, [path], str(tmp_path / "starts"), **CHOICE)


@pytest.mark.filterwarnings("ignore:invalid value")
def test_a_group_without_a_skew_is_passed_over_but_not_the_others_of_its_block():
    draws = np.random.default_rng(0).standard_normal((BLOCK, 2, 12))
    best = best_groups(lambda block: draws, BLOCK, np.ones((1, 12)), 0.1)
    other = (best.index[0] + 1) % BLOCK
    draws[other, 1, 3] = draws[other, 0, 3]  # its deviation is 0 there, and its skew 0 / 0
    again = best_groups(lambda block: draws, BLOCK, np.ones((1, 12)), 0.1)
    assert (again.index.tolist(), again.score.tolist()) == (best.index.tolist(), best.score.tolist())
