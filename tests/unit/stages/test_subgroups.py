"""Groups of a generated pool, described by shards and chosen for all classes at once."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from tests.helpers.tiny_models import Pictures, read, save_untrained_teacher

from retort.artifacts.subgroups import read_centroids, write_centroids
from retort.base.errors import RetortError
from retort.base.tensors import write_tensors
from retort.methods.selection import random_order
from retort.methods.subgroups import Objective, centroid, coordinate_ascent
from retort.models.teacher import features_and_logits, load_teacher
from retort.parts.resolve import part_of
from retort.stages.sets.choose_subgroups import choose_subgroups
from retort.stages.sets.describe_subgroups import describe_subgroups
from retort.stages.shared.describe_images import describe_images

SIDE, COUNTS, GROUPS, IPC = 8, {"dog": 9, "ant": 6, "cat": 7}, 3, 2


@pytest.fixture(scope="module")
def pets(tmp_path_factory) -> Pictures:
    """Pictures of three classes, a teacher, its description of them, and a pool of three groups of two."""
    folder = tmp_path_factory.mktemp("pets")
    pictures = Pictures(folder / "images", {c: {str(i): (SIDE, SIDE) for i in range(n)} for c, n in COUNTS.items()})
    save_untrained_teacher(folder / "teacher", list(COUNTS), SIDE)
    given = (pictures.manifest, pictures.table, str(folder / "teacher"), str(folder / "features.safetensors"))
    describe_images(*given, class_indices=[0, 1, 2], side=SIDE, threads=1)
    n, rng = 3 * GROUPS * IPC, np.random.default_rng(0)
    coarse = rng.integers(0, 256, (n, 2, 2, 3), dtype=np.uint8).repeat(4, axis=1).repeat(4, axis=2)
    pool = {"pixels": coarse, "class_index": np.arange(n) // (GROUPS * IPC), "index": np.arange(n) % (GROUPS * IPC)}
    write_tensors(folder / "pool.safetensors", pool)
    return pictures


def home_of(pets: Pictures) -> Path:
    return pets.folder.parent


def described(pets: Pictures, output: Path, classes: list[int], pool: str = "pool", **changes) -> dict[str, np.ndarray]:
    home = home_of(pets)
    inputs = [str(home / name) for name in (f"{pool}.safetensors", "features.safetensors", "teacher")]
    settings = {"subgroups": GROUPS, "real_images": 4, "dataset": "pets", "seed": 0} | changes
    describe_subgroups(*inputs, pets.manifest, pets.table, str(output), class_indices=classes, **settings)
    return read(output)


def test_centroids_are_of_consecutive_images_and_of_a_few_random_real_ones(pets, tmp_path):
    found, home = described(pets, tmp_path / "all.safetensors", [0, 1, 2]), home_of(pets)
    judge, pool = load_teacher(home / "teacher", list(COUNTS)), read(home / "pool.safetensors")
    seen = features_and_logits(judge, pool["pixels"])[0].numpy().reshape(3, GROUPS, IPC, -1)
    np.testing.assert_allclose(found["candidates"], centroid(seen), atol=1e-5)
    real = read(home / "features.safetensors")
    for label, class_id in enumerate(COUNTS):
        ids = pets.images.loc[real[f"rows/{class_id}"], "image_id"].tolist()
        some = random_order(ids, 0, "pets")[:4]
        np.testing.assert_allclose(found["real"][label], centroid(real[f"features/{class_id}"][some]), atol=1e-6)
    every = described(pets, tmp_path / "every.safetensors", [0, 1, 2], real_images=200)
    assert not np.allclose(every["real"], found["real"], atol=1e-4)
    np.testing.assert_array_equal(every["candidates"], found["candidates"])


def test_shards_do_not_matter(pets, tmp_path):
    whole = described(pets, tmp_path / "all.safetensors", [0, 1, 2])
    for classes in ([1, 2], [0]):
        described(pets, tmp_path / f"{classes[0]}.safetensors", classes)
    joined = read_centroids([str(tmp_path / "1.safetensors"), str(tmp_path / "0.safetensors")])
    for name, of in zip(("candidates", "real"), joined, strict=True):
        np.testing.assert_allclose(of, whole[name], atol=1e-6)


def choose(pets: Pictures, centroids: Path, output: Path, **keys) -> pd.DataFrame:
    select = part_of("selections", {"subgroups": GROUPS, "teacher": "judge"} | keys)
    choose_subgroups([str(centroids)], pets.table, str(output), select=select, ipc=IPC)
    return pd.read_csv(output)


def test_the_images_of_the_chosen_group_of_each_class_are_the_set(pets, tmp_path, capsys):
    found = described(pets, tmp_path / "all.safetensors", [0, 1, 2])
    table = choose(pets, tmp_path / "all.safetensors", tmp_path / "chosen.csv", near=0.2, apart=3.0, average=True)
    expected = coordinate_ascent(Objective(found["candidates"], found["real"], 0.2, 3.0, 1e-6, True), 5)
    groups = np.repeat(expected.chosen, IPC)
    assert table["class_index"].tolist() == [0, 0, 1, 1, 2, 2]
    assert table["index"].tolist() == [0, 1] * 3
    assert table["subgroup"].tolist() == groups.tolist()
    assert table["member"].tolist() == (groups * IPC + [0, 1] * 3).tolist()
    assert f"{expected.values[0]:.6g} with the groups nearest" in capsys.readouterr().out


def test_centroids_that_coincide_are_one_line_with_what_to_change(pets, tmp_path):
    found = described(pets, tmp_path / "all.safetensors", [0, 1, 2])
    found["candidates"][1, 2] = found["real"][1]
    write_centroids(str(tmp_path / "same.safetensors"), [0, 1, 2], found["candidates"], found["real"])
    with pytest.raises(RetortError, match=r"the selection subgroups: two centroids coincide, .* epsilon be above 0"):
        choose(pets, tmp_path / "same.safetensors", tmp_path / "chosen.csv", epsilon=0)
    choose(pets, tmp_path / "same.safetensors", tmp_path / "chosen.csv")


def test_what_is_not_finite_names_its_image(pets, tmp_path, monkeypatch):
    from retort.stages.sets import describe_subgroups as stage

    through = stage.features_and_logits

    def broken(judge, pixels):
        features, logits = through(judge, pixels)
        features[3] = np.nan
        return features, logits

    monkeypatch.setattr(stage, "features_and_logits", broken)
    with pytest.raises(RetortError, match=r"class dog, image 3 of the pool"):
        described(pets, tmp_path / "out.safetensors", [0, 1, 2])
