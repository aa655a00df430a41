"""Choosing real images: random sets that contain one another, or all of them."""

import pandas as pd
import pytest

from retort.base.errors import RetortError
from retort.data.manifest import COLUMNS, ClassEntry, write_manifest
from retort.methods.selection import random_order
from retort.parts.resolve import part_of
from retort.stages.sets.select_images import select_images

SIZES = {"cat": 6, "dog": 4}


class Source:
    """A manifest of cats and dogs, and what is selected from it."""

    def __init__(self, folder, sizes=SIZES, arranged=lambda rows: rows, classes=("dog", "cat")):
        rows = [(split, c, i) for c, n in sizes.items() for split in ("train", "val") for i in range(n)]
        images = pd.DataFrame(
            [
                {
                    "split": split,
                    "class_id": c,
                    "image_id": f"{c}/{i}.png" if split == "train" else f"{c}/held out {i}.png",
                }
                for split, c, i in arranged(rows)
            ]
        )
        images = images.assign(**{c: 0 for c in COLUMNS if c not in (*images.columns, "row")})
        self.folder = folder
        folder.mkdir(exist_ok=True)
        entries = [ClassEntry(i, c, c) for i, c in enumerate(classes)]
        write_manifest(images, entries, folder / "manifest.parquet", folder / "classes.csv")

    def selected(self, select: str, ipc: str = "all", seed=0, dataset="pets") -> pd.DataFrame:
        inputs = (str(self.folder / "manifest.parquet"), str(self.folder / "classes.csv"))
        output = self.folder / "chosen.csv"
        chosen_by = part_of("selections", select)
        select_images(*inputs, str(output), select=chosen_by, ipc=ipc, dataset=dataset, seed=seed)
        return pd.read_csv(output)

    def random(self, ipc: int, **settings) -> list[str]:
        return self.selected("random", str(ipc), **settings)["image_id"].tolist()


@pytest.fixture
def source(tmp_path):
    return Source(tmp_path / "source")


def test_random_takes_ipc_images_of_each_class_in_label_order(source):
    chosen = source.selected("random", "3")
    assert chosen["class_index"].tolist() == [0, 0, 0, 1, 1, 1]
    assert chosen["index"].tolist() == [0, 1, 2, 0, 1, 2]
    assert chosen["image_id"].str.split("/").str[0].tolist() == ["dog"] * 3 + ["cat"] * 3
    assert chosen["image_id"].is_unique


@pytest.mark.parametrize(("small", "large"), [(1, 2), (2, 4), (3, 4)])
def test_larger_random_sets_begin_with_the_smaller_ones(source, small, large):
    chosen = source.selected("random", str(large))
    head = chosen[chosen["index"] < small].reset_index(drop=True)
    pd.testing.assert_frame_equal(head, source.selected("random", str(small)))


@pytest.mark.parametrize("arranged", [lambda rows: rows[::-1], lambda rows: sorted(rows, key=lambda r: r[2] * 7 % 5)])
def test_random_choice_does_not_depend_on_the_order_of_rows(source, tmp_path, arranged):
    other = Source(tmp_path / "other", arranged=arranged)
    assert other.random(3) == source.random(3)


def test_random_choice_stays_when_images_that_were_not_chosen_go(source, tmp_path):
    chosen = source.random(3)
    fewer = Source(tmp_path / "fewer", arranged=lambda rows: [r for r in rows if f"{r[1]}/{r[2]}.png" in chosen])
    assert fewer.random(3) == chosen


def test_random_choice_follows_the_seed_and_the_data_set(source):
    assert source.random(4) == source.random(4)
    assert source.random(4) != source.random(4, seed=1)
    assert source.random(4) != source.random(4, dataset="others")


@pytest.mark.parametrize("select", ["random", "all"])
def test_row_is_the_number_of_the_image_in_the_training_split(tmp_path, select):
    source = Source(tmp_path / "source", arranged=lambda rows: rows[::-1])
    images = pd.read_parquet(tmp_path / "source" / "manifest.parquet").query("split == 'train'")
    numbers = dict(zip(images["image_id"], images["row"], strict=True))
    chosen = source.selected(select, "4")
    assert chosen["row"].tolist() == [numbers[image_id] for image_id in chosen["image_id"]]
    assert chosen["row"].nunique() == len(chosen)


def test_class_with_too_few_images_is_named_with_what_to_change(source):
    assert len(source.random(4)) == 8
    message = "class dog has 4 training images, fewer than ipc 5; lower ipc in runs"
    with pytest.raises(RetortError, match=message):
        source.selected("random", "5")


def test_all_takes_every_training_image_once(source):
    chosen = source.selected("all")
    assert chosen["image_id"].tolist() == [f"dog/{i}.png" for i in range(4)] + [f"cat/{i}.png" for i in range(6)]
    assert sorted(chosen["row"]) == list(range(10))
    assert chosen["index"].tolist() == [*range(4), *range(6)]


def test_random_order_is_a_permutation_in_which_any_image_may_come_first():
    ids = [f"{i}.png" for i in range(5)]
    orders = [random_order(ids, seed, "pets") for seed in range(50)]
    assert all(sorted(order) == list(range(5)) for order in orders)
    assert {order[0] for order in orders} == set(range(5))
    assert random_order([], 0, "pets") == []
