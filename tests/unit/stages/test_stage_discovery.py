"""From latents to representatives: embedded and clustered by class, and always exactly as many as were asked for."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from tests.helpers.clouds import pets_in_clouds
from tests.helpers.tiny_models import Pictures, read

from retort.base.errors import RetortError
from retort.base.seeds import derive_seed
from retort.base.tensors import write_tensors
from retort.methods.completion import representatives
from retort.methods.density import Clusters, cluster
from retort.methods.discovery import embed
from retort.stages.shared.choose_representatives import choose_representatives
from retort.stages.shared.cluster_classes import cluster_classes
from retort.stages.shared.embed_classes import embed_classes

SHAPE = (2, 3, 3)
COUNTS = {"dog": 40, "ant": 24, "cat": 9}  # in label order
UMAP = {"neighbors": 5, "components": 3, "min_dist": 0.0}
SHARDS = (("one-found", [0, 1]), ("two-found", [2]))
HDBSCAN = {"min_cluster_size": 4, "min_samples": 2}


@pytest.fixture(scope="module")
def pets(tmp_path_factory) -> Pictures:
    """Pictures of three classes; their latents in three clouds a class, embedded and clustered, in two shards."""
    shards = {"one": ["dog", "ant"], "two": ["cat"]}
    pictures = pets_in_clouds(tmp_path_factory.mktemp("pets"), COUNTS, SHAPE, shards)
    for name, classes in shards.items():
        embedded(pictures, name, classes)
        clustered(pictures, name, classes)
    return pictures


def home_of(pets: Pictures) -> Path:
    return pets.folder.parent


def embedded(pets: Pictures, name: str, classes: list[str], output: str | None = None, **changes) -> dict:
    target = home_of(pets) / f"{output or name + '-embedded'}.safetensors"
    settings = UMAP | {"dataset": "pets", "seed": 0} | changes
    embed_classes(str(home_of(pets) / f"{name}.safetensors"), str(target), class_ids=classes, **settings)
    return read(target)


def clustered(pets: Pictures, name: str, classes: list[str], **changes) -> tuple[dict, pd.DataFrame]:
    paths = [home_of(pets) / f"{name}{end}" for end in ("-embedded.safetensors", "-found.safetensors", ".csv")]
    cluster_classes(*map(str, paths), class_ids=classes, **HDBSCAN | changes)
    return read(paths[1]), pd.read_csv(paths[2], dtype={"class_id": str})


def chosen(pets: Pictures, count: int, shards: tuple[tuple[str, list[int]], ...] = SHARDS, **changes) -> pd.DataFrame:
    """The representatives of all shards, one after the other."""
    settings, found = HDBSCAN | {"dataset": "pets", "seed": 0} | changes, []
    for name, classes in shards:
        clusters, output = str(home_of(pets) / f"{name}.safetensors"), home_of(pets) / "representatives.csv"
        paths = (clusters, pets.manifest, pets.table, str(output))
        choose_representatives(*paths, class_indices=classes, number=count, **settings)
        found.append(pd.read_csv(output))
    return pd.concat(found, ignore_index=True)


# ---------------------------------------------------------------- embedding


def test_embeddings_are_those_of_each_classs_latents_laid_flat(pets):
    found, latents = read(home_of(pets) / "one-embedded.safetensors"), read(home_of(pets) / "one.safetensors")
    assert set(found) == {"embedding/dog", "embedding/ant", "rows/dog", "rows/ant"}
    seed = derive_seed(0, "umap", "pets", "ant") % 2**32
    expected = embed(latents["latents/ant"].reshape(24, -1), **UMAP, seed=seed)
    np.testing.assert_array_equal(found["embedding/ant"], expected)
    assert found["embedding/ant"].shape == (24, 3)
    for class_id in ("dog", "ant"):
        assert found[f"rows/{class_id}"].tolist() == pets.rows_of(class_id)[::-1]


def test_an_embedding_does_not_depend_on_the_other_classes_of_its_shard(pets):
    alone = embedded(pets, "one", ["ant"], "alone")
    np.testing.assert_array_equal(
        alone["embedding/ant"], read(home_of(pets) / "one-embedded.safetensors")["embedding/ant"]
    )


@pytest.mark.parametrize("change", [{"seed": 1}, {"dataset": "other"}, {"neighbors": 7}, {"min_dist": 0.5}])
def test_settings_seed_and_data_set_reach_the_embedding(pets, change):
    usual = read(home_of(pets) / "two-embedded.safetensors")["embedding/cat"]
    other = embedded(pets, "two", ["cat"], "changed", **change)["embedding/cat"]
    assert other.shape == usual.shape
    assert not np.allclose(other, usual)


def test_latents_that_are_not_finite_name_their_class(pets):
    tensors = read(home_of(pets) / "one.safetensors")
    tensors["latents/ant"][3, 0, 0, 0] = np.nan
    write_tensors(home_of(pets) / "broken.safetensors", tensors)
    with pytest.raises(RetortError, match=r"class ant: a latent in .*broken.safetensors is not finite; delete"):
        embedded(pets, "broken", ["dog", "ant"])


# ---------------------------------------------------------------- clustering


def test_clusters_are_those_of_the_embedding_which_is_kept_beside_them(pets):
    before = read(home_of(pets) / "one-embedded.safetensors")
    found, _ = clustered(pets, "one", ["dog", "ant"])
    for name in before:
        np.testing.assert_array_equal(found[name], before[name])
    for class_id in ("dog", "ant"):
        expected = cluster(before[f"embedding/{class_id}"], **HDBSCAN)
        np.testing.assert_array_equal(found[f"labels/{class_id}"], expected.labels)
        np.testing.assert_array_equal(found[f"probabilities/{class_id}"], expected.probabilities)
        assert expected.count >= 2


def test_the_listing_has_a_row_for_each_image(pets):
    found, listing = clustered(pets, "one", ["dog", "ant"])
    assert list(listing.columns) == ["class_id", "row", "cluster", "probability"]
    assert len(listing) == 40 + 24
    for class_id, rows in listing.groupby("class_id"):
        assert rows["row"].tolist() == found[f"rows/{class_id}"].tolist()
        assert rows["cluster"].tolist() == found[f"labels/{class_id}"].tolist()
        np.testing.assert_allclose(rows["probability"], found[f"probabilities/{class_id}"], atol=5.1e-5)


def test_clusters_and_noise_are_told_by_class(pets, capsys):
    found, _ = clustered(pets, "one", ["dog", "ant"])
    told = capsys.readouterr().out
    for class_id, n in (("dog", 40), ("ant", 24)):
        labels = found[f"labels/{class_id}"]
        noise = (labels < 0).sum()
        assert f"class {class_id}: {labels.max() + 1} clusters, {noise} of {n} are noise\n" in told


def test_a_small_class_is_all_noise_for_a_large_smallest_cluster(pets):
    found, _ = clustered(pets, "two", ["cat"], min_cluster_size=5)
    assert found["labels/cat"].tolist() == [-1] * 9
    clustered(pets, "two", ["cat"])


# ---------------------------------------------------------------- representatives


@pytest.mark.parametrize("count", [1, 2, 3, 5, 9])
def test_every_class_gets_exactly_that_many_distinct_images_of_its_own(pets, count):
    found = chosen(pets, count)
    assert list(found.columns) == ["class_index", "index", "row", "image_id", "origin", "cluster_size"]
    assert found["class_index"].tolist() == np.repeat(range(3), count).tolist()
    assert found["index"].tolist() == [*range(count)] * 3
    assert found["row"].is_unique
    assert found["image_id"].tolist() == pets.images.loc[found["row"], "image_id"].tolist()
    assert found["image_id"].str.split("/").str[0].tolist() == np.repeat(list(COUNTS), count).tolist()
    assert (found["cluster_size"] >= 1).all()


@pytest.mark.parametrize("count", [2, 5])
def test_representatives_are_those_of_the_method_as_rows_of_the_split(pets, count):
    found = chosen(pets, count)
    tensors = read(home_of(pets) / "one-found.safetensors") | read(home_of(pets) / "two-found.safetensors")
    for label, class_id in enumerate(COUNTS):
        clusters = Clusters(tensors[f"labels/{class_id}"], tensors[f"probabilities/{class_id}"])
        seed = derive_seed(0, "representatives", "pets", class_id) % 2**32
        expected = representatives(tensors[f"embedding/{class_id}"], clusters, count, **HDBSCAN, seed=seed)
        rows = found[found["class_index"] == label]
        assert rows["row"].tolist() == tensors[f"rows/{class_id}"][expected.rows].tolist()
        assert rows["origin"].tolist() == expected.origins
        assert rows["cluster_size"].tolist() == expected.sizes.tolist()


def test_representatives_do_not_depend_on_the_shards(pets):
    apart = chosen(pets, 5, (("one-found", [0]), ("one-found", [1]), ("two-found", [2])))
    pd.testing.assert_frame_equal(apart, chosen(pets, 5))


def test_centres_of_noise_are_seeded_by_seed_and_data_set(pets):
    """All of a class is noise where clusters must be large: k-means then finds the representatives."""
    clustered(pets, "one", ["dog", "ant"], min_cluster_size=30)
    shards, large = (("one-found", [0, 1]),), {"min_cluster_size": 30}
    choices = [chosen(pets, 4, shards, **large, seed=s, dataset=d) for s in range(3) for d in ("pets", "others")]
    again = chosen(pets, 4, shards, **large)
    clustered(pets, "one", ["dog", "ant"])
    assert set(again["origin"]) == {"kmeans_outliers"}
    pd.testing.assert_frame_equal(again, choices[0])
    assert len({tuple(c["row"]) for c in choices}) > 1


def test_a_class_with_too_few_images_is_named_with_what_to_change(pets):
    chosen(pets, 9)
    with pytest.raises(RetortError, match=r"class cat: .*10.*; lower ipc in runs, or the method's pool"):
        chosen(pets, 10)
