"""Distilled sets on disk: pixel-exact, readable by others, and never half written."""

from importlib.metadata import version
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from torchvision.datasets import ImageFolder

from retort.data.files import read_json, read_rows, write_json, write_rows
from retort.data.tensors import open_tensors, write_tensors
from retort.errors import RetortError
from retort.stages.distilled import read_set
from retort.stages.write_set import write_set

SIDE, PER_CLASS = 8, 4
CLASSES = ["n03", "n01", "n02"]  # not in alphabetical order
NAMES = {"n03": "cassette player", "n01": "tench", "n02": "English springer"}
ABOUT = {
    "dataset": "toy",
    "method": "d3hr",
    "ipc": "2",
    "seed": 7,
    "settings": {"generate": {"model": "dit", "guidance": 4.0}},
}


@pytest.fixture
def home(tmp_path) -> Path:
    """classes.csv, the decoded split of four images per class, and two generated shards of two per class."""
    rng = np.random.default_rng(0)
    lines = [f"{i},{c},{NAMES[c]}\n" for i, c in enumerate(CLASSES)]
    (tmp_path / "classes.csv").write_text("index,id,name\n" + "".join(lines))
    labels = np.repeat(np.arange(3), PER_CLASS)
    write_tensors(tmp_path / "train.safetensors", {"pixels": noise(rng, 12), "labels": labels})
    for shard, classes in (("0000", [0, 1]), ("0001", [2])):
        indices = {"class_index": np.repeat(classes, 2), "index": np.tile([0, 1], len(classes))}
        group = {"group": indices["class_index"] * 100 - 1, "score": indices["class_index"] / 8}
        write_tensors(tmp_path / f"{shard}.safetensors", {"pixels": noise(rng, 2 * len(classes))} | indices | group)
    return tmp_path


def noise(rng: np.random.Generator, n: int) -> np.ndarray:
    return rng.integers(0, 256, (n, SIDE, SIDE, 3), dtype=np.uint8)


def pixels_of(*paths: Path) -> np.ndarray:
    return np.concatenate([open_tensors(path)["pixels"] for path in paths])


def write_generated(home: Path, models: list[str] | None = None) -> Path:
    shards = [str(home / f"{shard}.safetensors") for shard in ("0000", "0001")]
    arguments = (str(home / "classes.csv"), str(home / "train.safetensors"), None, shards, models or [])
    write_set(*arguments, str(home / "set"), copy=True, about=ABOUT)
    return home / "set"


def select(home: Path, rows: list[int]) -> None:
    """A selection of rows of the split, in label order."""
    places = [(row // PER_CLASS, row) for row in rows]
    seen = [sum(label == other for other, _ in places[:i]) for i, (label, _) in enumerate(places)]
    listed = [
        {"class_index": label, "index": index, "row": row, "image_id": f"{CLASSES[label]}/{row}.png"}
        for index, (label, row) in zip(seen, places, strict=True)
    ]
    write_rows(home / "selection.csv", ["class_index", "index", "row", "image_id"], listed)


def write_selected(home: Path, rows: list[int], copy: bool) -> Path:
    select(home, rows)
    arguments = (str(home / "classes.csv"), str(home / "train.safetensors"), str(home / "selection.csv"), [], [])
    write_set(*arguments, str(home / "set"), copy=copy, about=ABOUT | {"method": "chosen"})
    return home / "set"


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


def test_the_manifest_names_class_source_group_and_score(home):
    rows = read_rows(write_generated(home) / "manifest.csv")
    assert rows[3] == {
        "file": "n01/00001.png",
        "class_id": "n01",
        "class_name": "tench",
        "class_index": "1",
        "index": "1",
        "source": "generated",
        "row": "",
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


# ---------------------------------------------------------------- where it came from


def test_provenance_has_settings_seed_versions_and_sources(home):
    fetched, trained = home / "vae", home / "dit"
    fetched.mkdir()
    trained.mkdir()
    origin = {"name": "vae", "source": "somebody/vae", "revision": "abc123"}
    write_json(fetched / "origin.json", origin)
    provenance = read_json(write_generated(home, [str(fetched), str(trained)]) / "provenance.json")
    assert provenance.items() >= ABOUT.items()
    assert provenance["images"] == 6
    assert provenance["sources"] == {str(fetched): origin}
    for package in ("torch", "diffusers", "numpy"):
        assert provenance["versions"][package] == version(package)


def test_the_card_names_method_data_set_and_classes(home):
    card = (write_generated(home) / "card.md").read_text()
    assert card.startswith("# d3hr, 2 images per class, from toy\n")
    assert "6 images of 3 classes (cassette player, tench, English springer)" in card
    assert "manifest.csv" in card


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
    with pytest.raises(RetortError, match=r"lacks n01/00000\.png \(2 missing\); delete the folder and run again"):
        read_set(directory, home / "train.safetensors")


def left_over(home: Path) -> list[str]:
    known = {"classes.csv", "train.safetensors", "0000.safetensors", "0001.safetensors", "selection.csv"}
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
    with pytest.raises(IndexError):
        write_selected(home, [0, 1, 99], copy=True)  # there is no row 99
    assert {p: p.read_bytes() for p in directory.rglob("*") if p.is_file()} == before
    assert left_over(home) == ["set"]


def test_a_rewritten_set_keeps_nothing_of_the_one_before(home):
    write_selected(home, [0, 1, 2, 3, 4, 8], copy=True)
    directory = write_selected(home, [1, 5], copy=True)
    assert sorted(p.relative_to(directory).as_posix() for p in directory.rglob("*.png")) == [
        "n01/00000.png",
        "n03/00000.png",
    ]
