"""What stands for a class by k-means or at random: exactly as many, by class alone, and as latents for the sampler."""

import numpy as np
import pandas as pd
import pytest
from tests.helpers.clouds import pets_in_clouds
from tests.helpers.tiny_models import Pictures, read

from retort.artifacts.representatives import Representatives
from retort.base.errors import RetortError
from retort.data.manifest import read_classes
from retort.parts.discoveries import Discovery, Found
from retort.parts.resolve import part_of
from retort.stages.shared.find_representatives import find_representatives

SHAPE = (2, 4, 4)
COUNTS = {"dog": 30, "ant": 20, "cat": 9}  # in label order
KINDS = [
    {"kind": "kmeans"},
    {"kind": "kmeans", "centres": "nearest"},
    {"kind": "kmeans", "pooled": 2},
    {"kind": "mini-batch"},
    {"kind": "mini-batch", "expand": 3, "rest": "drop"},
    {"kind": "random"},
]


@pytest.fixture(scope="module")
def pets(tmp_path_factory) -> Pictures:
    """Pictures of three classes, and their latents in three clear clouds a class, in one shard and in two."""
    shards = {"all": list(COUNTS), "one": ["dog", "ant"], "two": ["cat"]}
    return pets_in_clouds(tmp_path_factory.mktemp("pets"), COUNTS, SHAPE, shards)


def part(keys: dict) -> Discovery:
    return part_of("discoveries", {"encoder": "any"} | keys)


def found(pets: Pictures, discovery, name: str, classes: list[int], number: int, **changes):
    """The table, and the latents with their rows by class."""
    folder, settings = pets.folder.parent, {"dataset": "pets", "seed": 0} | changes
    table, modes = folder / "found.csv", folder / "modes.safetensors"
    find_representatives(
        str(folder / f"{name}.safetensors"),
        *(pets.manifest, pets.table, str(table), str(modes)),
        discovery=part(discovery) if isinstance(discovery, dict) else discovery,
        class_indices=classes,
        number=number,
        **settings,
    )
    return pd.read_csv(table), read(modes)


@pytest.mark.parametrize("keys", KINDS, ids=str)
@pytest.mark.parametrize("number", [1, 3, 9])
def test_there_are_exactly_as_many_whatever_the_shards(pets, keys, number):
    table, modes = found(pets, keys, "all", [0, 1, 2], number)
    assert table.groupby("class_index").size().tolist() == [number] * 3
    assert table["row"].is_unique
    parts = [found(pets, keys, name, classes, number) for name, classes in (("one", [0, 1]), ("two", [2]))]
    pd.testing.assert_frame_equal(pd.concat([rows for rows, _ in parts], ignore_index=True), table)
    for key, array in {**parts[0][1], **parts[1][1]}.items():
        np.testing.assert_array_equal(array, modes[key])


@pytest.mark.parametrize("keys", KINDS, ids=str)
def test_images_are_of_the_class_and_named(pets, keys):
    table, modes = found(pets, keys, "all", [0, 1, 2], 3)
    for label, class_id in enumerate(COUNTS):
        of_class = table[table["class_index"] == label]
        assert set(of_class["row"]) <= set(pets.rows_of(class_id))
        assert of_class["image_id"].tolist() == pets.images.loc[of_class["row"], "image_id"].tolist()
        assert of_class["row"].tolist() == modes[f"rows/{class_id}"].tolist()


def test_modes_are_means_of_their_clusters_and_nearest_ones_are_real(pets):
    shard = read(pets.folder.parent / "all.safetensors")
    of_mean, of_nearest, of_pooled = (found(pets, keys, "all", [0], 3) for keys in KINDS[:3])
    latents, rows = shard["latents/dog"], shard["rows/dog"].tolist()
    groups = [latents[i::3] for i in range(3)]
    for (table, modes), means in ((of_mean, True), (of_nearest, False), (of_pooled, True)):
        for k, mode in enumerate(modes["latents/dog"]):
            own = latents[rows.index(table["row"][k])]
            group = groups[rows.index(table["row"][k]) % 3]
            wanted = group.mean(0) if means else own
            np.testing.assert_allclose(mode, wanted, rtol=0, atol=1e-5)
        assert sorted(table["cluster_size"]) == [10, 10, 10]


def test_random_ones_are_a_beginning_of_more_and_change_with_seed_and_data_set(pets):
    few, more = (found(pets, {"kind": "random"}, "all", [0, 1], n)[0] for n in (3, 9))
    for label in (0, 1):
        rows = [table[table["class_index"] == label]["row"].tolist() for table in (few, more)]
        assert rows[1][:3] == rows[0]
    for other in ({"seed": 1}, {"dataset": "other"}):
        assert found(pets, {"kind": "random"}, "all", [0, 1], 9, **other)[0]["row"].tolist() != more["row"].tolist()


def test_the_sampler_reads_them_by_class_and_place(pets):
    table, modes = found(pets, {"kind": "kmeans"}, "all", [0, 1, 2], 3)
    folder, entries = pets.folder.parent, read_classes(pets.table)
    seen = Representatives(folder / "found.csv", folder / "modes.safetensors", entries[1:])
    assert seen.row(1, 2) == table[table["class_index"] == 1]["row"].tolist()[2]
    np.testing.assert_array_equal(seen.latent(2, 0), modes["latents/cat"][0])


def test_a_class_with_too_few_images_is_named(pets):
    with pytest.raises(RetortError, match=r"class cat: 10 images are wanted of 9; lower ipc in runs, or the method's"):
        found(pets, {"kind": "kmeans"}, "all", [0, 1, 2], 10)


def test_a_grid_that_does_not_fit_is_named_with_the_class(pets):
    with pytest.raises(RetortError, match=r"class dog: latents of 4 x 4 cells cannot be averaged to 3 x 3 \(pooled\)"):
        found(pets, {"kind": "kmeans", "pooled": 3}, "all", [0], 2)


class Bad(Discovery):
    """A discovery that breaks its promise."""

    how: str

    def find(self, latents, image_ids, count, seed):
        match self.how:
            case "too few":
                return Found([0], ["x"], [1])
            case "one twice":
                return Found([0] * count, ["x"] * count, [1] * count)
            case "outside":
                return Found(range(100, 100 + count), ["x"] * count, [1] * count)
            case "other shape":
                return Found(range(count), ["x"] * count, [1] * count, latents[:count, :1])
            case "not finite":
                return Found(range(count), ["x"] * count, [1] * count, latents[:count] * np.nan)


@pytest.mark.parametrize(
    ("how", "words"),
    [
        ("too few", "finds 1 images, 1 of them different, where 2 different ones are wanted"),
        ("one twice", "finds 2 images, 1 of them different"),
        ("outside", "finds image 100 of 30, which are numbered from 0"),
        ("other shape", r"finds latents \(2, 1, 4, 4\) where \(2, 2, 4, 4\) are wanted"),
        ("not finite", "what stands for it is not finite"),
    ],
)
def test_a_discovery_is_held_to_what_it_promises(pets, how, words):
    with pytest.raises(RetortError, match=f"class dog:? .*{words}"):
        found(pets, Bad(encoder="any", how=how), "all", [0], 2)
