"""Distilled sets on disk: pixel-exact, readable by others, and never half written."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from tests.helpers.written_sets import (
    ABOUT,
    CLASSES,
    SIDE,
    filled,
    make_home,
    noise,
    pixels_of,
    select,
    write_generated,
    write_made,
    write_selected,
)
from torchvision.datasets import ImageFolder

from retort.artifacts.sets import COLUMNS, read_set
from retort.base.errors import RetortError
from retort.base.files import read_rows, write_rows
from retort.base.tensors import write_tensors
from retort.stages.sets.write_set import write_set


@pytest.fixture
def home(tmp_path) -> Path:
    return make_home(tmp_path)


# ---------------------------------------------------------------- images


def test_generated_images_are_written_pixel_exact(home):
    directory = write_generated(home)
    generated = pixels_of(home / "0000.safetensors", home / "0001.safetensors")
    rows = read_rows(directory / "manifest.csv")
    assert [row["file"] for row in rows] == [f"{c}/{i:05d}.png" for c in CLASSES for i in (0, 1)]
    for row, pixels in zip(rows, generated, strict=True):
        np.testing.assert_array_equal(np.asarray(Image.open(directory / row["file"])), pixels)
    found, labels = read_set(directory, home / "train.safetensors")
    np.testing.assert_array_equal(found, generated)
    assert labels.tolist() == [0, 0, 1, 1, 2, 2]


def test_selected_images_are_those_of_their_rows(home):
    chosen = [3, 0, 5, 6, 11, 8]
    directory = write_selected(home, chosen, copy=True)
    found, labels = read_set(directory, home / "train.safetensors")
    np.testing.assert_array_equal(found, pixels_of(home / "train.safetensors")[chosen])
    assert labels.tolist() == [0, 0, 1, 1, 2, 2]
    rows = read_rows(directory / "manifest.csv")
    assert [int(row["row"]) for row in rows] == chosen
    assert rows[1]["source"] == "n03/0.png"


def test_no_set_but_the_full_one_needs_the_decoded_split(home):
    expected = pixels_of(home / "train.safetensors")[[3, 0, 5, 6, 11, 8]].copy()
    (home / "train.safetensors").unlink()
    found, _ = read_set(write_selected(home, [3, 0, 5, 6, 11, 8], copy=True), None)
    np.testing.assert_array_equal(found, expected)
    write_selected(home, list(range(12)), copy=False)
    with pytest.raises(FileNotFoundError):
        read_set(home / "set", home / "train.safetensors")


def test_a_set_may_be_read_in_part(home):
    pixels, labels = read_set(write_selected(home, [3, 0, 5, 6, 11, 8], copy=True), None, classes=2, most=1)
    np.testing.assert_array_equal(pixels, pixels_of(home / "train.safetensors")[[3, 5]])
    assert labels.tolist() == [0, 1]


def test_the_manifest_names_class_source_group_and_score(home):
    rows = read_rows(write_generated(home) / "manifest.csv")
    assert list(rows[3]) == COLUMNS
    assert filled(rows[3]) == {
        "file": "n01/00001.png",
        "class_id": "n01",
        "class_name": "tench",
        "class_index": "1",
        "index": "1",
        "source": "generated",
        "group": "99",
        "score": "0.125",
    }


def test_torchvisions_image_folder_opens_the_set_and_agrees_with_the_manifest(home):
    directory = write_generated(home)
    folder = ImageFolder(directory)
    assert folder.classes == sorted(CLASSES)
    rows = {row["file"]: row for row in read_rows(directory / "manifest.csv")}
    assert len(folder) == len(rows) == 6
    for path, target in folder.samples:
        row = rows[str(Path(path).relative_to(directory))]
        assert folder.classes[target] == row["class_id"]
        assert CLASSES[int(row["class_index"])] == row["class_id"]
    image, _ = folder[0]
    assert (image.size, image.mode) == ((SIDE, SIDE), "RGB")


# ---------------------------------------------------------------- from a pool, refined, discovered, composed

CHOICES = ["choice0", "choice1"]
PICKS = {0: (3, 1), 1: (0, 2), 2: (2, 3)}  # class: members of the pool, in the order of the choice


def write_pool(home: Path, *, more: dict | None = None) -> np.ndarray:
    """A pool of four images a class in two shards; its pixels."""
    pixels, first = noise(np.random.default_rng(1), 12), 0
    for name, classes in (("pool0", [0, 1]), ("pool1", [2])):
        n = 4 * len(classes)
        indices = {"class_index": np.repeat(classes, 4), "index": np.tile(np.arange(4), len(classes))}
        measured = {key: values[first : first + n] for key, values in (more or {}).items()}
        part = {"pixels": pixels[first : first + n], "latents": np.zeros((n, 4, 2, 2), np.float32)}
        write_tensors(home / f"{name}.safetensors", part | indices | measured)
        first += n
    return pixels


def write_choice(home: Path, judged: bool) -> None:
    """A choice for each of the two shards of the pool."""
    for name, classes in zip(CHOICES, ([0, 1], [2]), strict=True):
        listed = []
        for label in classes:
            for index, member in enumerate(PICKS[label]):
                says = {"correct": int(index == 0), "confidence": round(0.9 - member / 8, 3)} if judged else {}
                listed.append({"class_index": label, "index": index, "member": member} | says)
        write_rows(home / f"{name}.csv", list(listed[0]), listed)


@pytest.mark.parametrize("judged", [True, False])
def test_the_chosen_members_of_a_pool_are_written_in_the_order_of_the_choice(home, judged):
    pool = write_pool(home)
    write_choice(home, judged)
    directory = write_made(home, ["pool0", "pool1"], CHOICES)
    expected = pool[[4 * label + member for label, members in PICKS.items() for member in members]]
    found, labels = read_set(directory, home / "train.safetensors")
    np.testing.assert_array_equal(found, expected)
    assert labels.tolist() == [0, 0, 1, 1, 2, 2]
    rows = read_rows(directory / "manifest.csv")
    assert [row["file"] for row in rows] == [f"{c}/{i:05d}.png" for c in CLASSES for i in (0, 1)]
    assert [row["member"] for row in rows] == ["3", "1", "0", "2", "2", "3"]
    assert [row["correct"] for row in rows] == (["1", "0"] * 3 if judged else [""] * 6)
    confidences = ["0.525", "0.775", "0.9", "0.65", "0.65", "0.525"]
    assert [row["confidence"] for row in rows] == (confidences if judged else [""] * 6)
    assert {row["source"] for row in rows} == {"generated"}


def test_a_pool_of_searched_starts_keeps_the_group_and_score_of_each_member(home):
    write_pool(home, more={"group": np.arange(12) * 10, "score": np.arange(12) / 4})
    write_choice(home, judged=True)
    rows = read_rows(write_made(home, ["pool0", "pool1"], CHOICES) / "manifest.csv")
    places = [4 * label + member for label, members in PICKS.items() for member in members]
    assert [int(row["group"]) for row in rows] == [10 * place for place in places]
    assert [float(row["score"]) for row in rows] == [place / 4 for place in places]


def test_without_a_choice_every_image_of_a_pool_is_written(home):
    pool = write_pool(home)
    found, labels = read_set(write_made(home, ["pool0", "pool1"]), home / "train.safetensors")
    np.testing.assert_array_equal(found, pool)
    assert labels.tolist() == [0] * 4 + [1] * 4 + [2] * 4


def write_refined(home: Path, members: list[int]) -> np.ndarray:
    """Two refined images a class in one shard; their pixels. Their losses tell them apart."""
    pixels = noise(np.random.default_rng(2), 6)
    facts = {"class_index": np.repeat([0, 1, 2], 2), "index": np.tile([0, 1], 3), "member": np.array(members)}
    losses = {"loss_before": np.float32(np.arange(6) + 0.5), "loss_after": np.float32(np.arange(6) + 0.25)}
    write_tensors(home / "refined.safetensors", {"pixels": pixels} | facts | losses)
    return pixels


def test_refined_members_are_written_as_they_lie_with_what_the_teacher_said_of_them(home):
    """A refined shard holds the chosen ones alone, in the order of the choice: its index is the set's own."""
    pixels = write_refined(home, [member for members in PICKS.values() for member in members])
    write_choice(home, judged=True)
    directory = write_made(home, ["refined"], CHOICES)
    found, _ = read_set(directory, home / "train.safetensors")
    np.testing.assert_array_equal(found, pixels)
    rows = read_rows(directory / "manifest.csv")
    assert filled(rows[3]) == {
        "file": "n01/00001.png",
        "class_id": "n01",
        "class_name": "tench",
        "class_index": "1",
        "index": "1",
        "source": "generated",
        "member": "2",
        "correct": "0",
        "confidence": "0.65",
        "loss_before": "3.5",
        "loss_after": "3.25",
    }


def test_refined_images_without_a_choice_have_their_losses_alone(home):
    pixels = write_refined(home, [0, 1] * 3)
    directory = write_made(home, ["refined"])
    np.testing.assert_array_equal(read_set(directory, home / "train.safetensors")[0], pixels)
    rows = read_rows(directory / "manifest.csv")
    assert [float(row["loss_before"]) for row in rows] == [0.5, 1.5, 2.5, 3.5, 4.5, 5.5]
    assert [row["member"] for row in rows] == ["0", "1"] * 3
    assert {row["correct"] + row["confidence"] for row in rows} == {""}


def test_representatives_are_written_with_the_origin_and_size_of_their_cluster(home):
    chosen = [3, 0, 5, 6, 11, 8]
    select(home, chosen)
    rows = read_rows(home / "selection.csv")
    origins = ["hdbscan_initial", "kmeans_outliers"] * 3
    found = [row | {"origin": o, "cluster_size": 7 + i} for i, (row, o) in enumerate(zip(rows, origins, strict=True))]
    write_rows(home / "selection.csv", list(found[0]), found)
    inputs = (str(home / "classes.csv"), str(home / "manifest.parquet"), [str(home / "selection.csv")])
    write_set(*inputs, [], [], [], str(home / "set"), copy_images=True, origin=ABOUT, side=SIDE, threads=1)
    written = read_rows(home / "set" / "manifest.csv")
    assert [row["origin"] for row in written] == origins
    assert [row["cluster_size"] for row in written] == ["7", "8", "9", "10", "11", "12"]
    assert [row["row"] for row in written] == ["3", "0", "5", "6", "11", "8"]
    np.testing.assert_array_equal(
        read_set(home / "set", home / "train.safetensors")[0],
        pixels_of(home / "train.safetensors")[[3, 0, 5, 6, 11, 8]],
    )


def test_real_images_that_a_teacher_chose_are_written_with_what_it_said(home):
    """The selection comes in two tables, one for each shard of classes."""
    chosen = [3, 0, 5, 6, 11, 8]
    select(home, chosen)
    rows = [row | {"correct": i % 2, "confidence": i / 8} for i, row in enumerate(read_rows(home / "selection.csv"))]
    for name, part in (("first", rows[:4]), ("second", rows[4:])):
        write_rows(home / f"{name}.csv", list(rows[0]), part)
    inputs = (str(home / "classes.csv"), str(home / "manifest.parquet"))
    selection = [str(home / f"{name}.csv") for name in ("first", "second")]
    write_set(*inputs, selection, [], [], [], str(home / "set"), copy_images=True, origin=ABOUT, side=SIDE, threads=1)
    written = read_rows(home / "set" / "manifest.csv")
    assert [int(row["row"]) for row in written] == chosen
    assert [row["correct"] for row in written] == ["0", "1"] * 3
    assert [float(row["confidence"]) for row in written] == [0, 0.125, 0.25, 0.375, 0.5, 0.625]
    np.testing.assert_array_equal(
        read_set(home / "set", home / "train.safetensors")[0], pixels_of(home / "train.safetensors")[chosen]
    )


def test_guided_images_are_written_with_the_row_of_their_representative(home):
    write_pool(home, more={"row": np.arange(12) + 50})
    write_choice(home, judged=False)
    rows = read_rows(write_made(home, ["pool0", "pool1"], CHOICES) / "manifest.csv")
    places = [4 * label + member for label, members in PICKS.items() for member in members]
    assert [int(row["row"]) for row in rows] == [50 + place for place in places]
    assert {row["source"] for row in rows} == {"generated"}


def test_mosaics_are_written_with_the_rows_of_their_patches(home):
    pixels = noise(np.random.default_rng(3), 6)
    facts = {"class_index": np.repeat([0, 1, 2], 2), "index": np.tile([0, 1], 3), "score": np.arange(6) / 8}
    rows = np.arange(24).reshape(6, 4)
    write_tensors(home / "mosaics.safetensors", {"pixels": pixels, "rows": rows} | facts)
    directory = write_made(home, ["mosaics"])
    found, labels = read_set(directory, home / "train.safetensors")
    np.testing.assert_array_equal(found, pixels)
    assert labels.tolist() == [0, 0, 1, 1, 2, 2]
    written = read_rows(directory / "manifest.csv")
    assert [row["source"] for row in written] == ["patches"] * 6
    assert [row["row"] for row in written] == [" ".join(map(str, r)) for r in rows.tolist()]
    assert [float(row["score"]) for row in written] == [0, 0.125, 0.25, 0.375, 0.5, 0.625]


# ---------------------------------------------------------------- the full set


def test_the_full_set_has_no_images_and_reads_back_equal_to_the_split(home):
    directory = write_selected(home, list(range(12)), copy=False)
    assert sorted(p.name for p in directory.rglob("*")) == ["card.md", "manifest.csv", "provenance.json"]
    assert "no image is copied" in (directory / "card.md").read_text()
    pixels, labels = read_set(directory, home / "train.safetensors")
    np.testing.assert_array_equal(pixels, pixels_of(home / "train.safetensors"))
    assert labels.tolist() == [0] * 4 + [1] * 4 + [2] * 4
    assert isinstance(pixels, np.memmap)  # never in memory as a whole


def test_a_set_of_rows_that_is_not_the_whole_split_reads_its_rows(home):
    rows = [2, 1, 7, 4, 9, 10]
    pixels, labels = read_set(write_selected(home, rows, copy=False), home / "train.safetensors")
    np.testing.assert_array_equal(pixels, pixels_of(home / "train.safetensors")[rows])
    assert labels.tolist() == [0, 0, 1, 1, 2, 2]


# ---------------------------------------------------------------- when it goes wrong


def test_missing_images_are_reported(home):
    directory = write_generated(home)
    for name in ("n01/00000.png", "n02/00001.png"):
        (directory / name).unlink()
    with pytest.raises(RetortError, match=r"lacks n01/00000\.png \(2 missing\); delete it and run again"):
        read_set(directory, home / "train.safetensors")


def left_over(home: Path) -> list[str]:
    known = {
        "images",
        "manifest.parquet",
        "classes.csv",
        "train.safetensors",
        "0000.safetensors",
        "0001.safetensors",
        "selection.csv",
    }
    return sorted({p.name for p in home.iterdir()} - known)


def test_a_source_that_fails_leaves_no_half_directory(home):
    whole = (home / "0001.safetensors").read_bytes()
    (home / "0001.safetensors").write_bytes(whole[:-1])  # the first shard is written before the second is opened
    with pytest.raises(RetortError, match="not a whole safetensors file"):
        write_generated(home)
    assert left_over(home) == []


def test_a_source_that_fails_leaves_the_set_before_it_as_it_was(home):
    directory = write_generated(home)
    before = {p: p.read_bytes() for p in directory.rglob("*") if p.is_file()}
    (home / "images" / "9.png").write_bytes(b"")
    with pytest.raises(RetortError, match=r"9\.png: empty file"):
        write_selected(home, [0, 1, 9], copy=True)
    assert {p: p.read_bytes() for p in directory.rglob("*") if p.is_file()} == before
    assert left_over(home) == ["set"]


def test_a_selection_from_another_manifest_is_refused(home):
    select(home, [0, 1, 11])
    rows = read_rows(home / "selection.csv")
    write_rows(home / "selection.csv", list(rows[0]), [row | {"row": int(row["row"]) + 1} for row in rows])
    inputs = (str(home / "classes.csv"), str(home / "manifest.parquet"), [str(home / "selection.csv")])
    with pytest.raises(RetortError, match=r"manifest\.parquet has no row 12, which .*selection\.csv names"):
        write_set(*inputs, [], [], [], str(home / "set"), copy_images=True, origin=ABOUT, side=SIDE, threads=1)
    assert left_over(home) == []


def test_a_rewritten_set_keeps_nothing_of_the_one_before(home):
    write_selected(home, [0, 1, 2, 3, 4, 8], copy=True)
    directory = write_selected(home, [1, 5], copy=True)
    assert sorted(p.relative_to(directory).as_posix() for p in directory.rglob("*.png")) == [
        "n01/00000.png",
        "n03/00000.png",
    ]
