"""The manifest: every readable image once, in one order of rows and one of classes."""

import random
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from retort.artifacts.pixels import open_split
from retort.base.errors import RetortError
from retort.base.files import read_rows
from retort.data.manifest import COLUMNS, ClassEntry, read_classes, read_split, write_manifest
from retort.stages.data.build_manifest import build_manifest
from retort.stages.data.decode_split import decode_split
from retort.stages.data.export_images import export_images

COUNTS = {"train/cat": 3, "train/dog": 2, "val/cat": 1, "val/dog": 2}


def painted(root: Path, counts: dict[str, int] = COUNTS, shuffle: int | None = None) -> Path:
    """Folders of small images, each of its own size and shade; optionally made in a shuffled order."""
    names = [f"{folder}/{i}.png" for folder, count in counts.items() for i in range(count)]
    shades = {name: shade for shade, name in enumerate(names)}
    if shuffle is not None:
        random.Random(shuffle).shuffle(names)
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (8 + shades[name], 8), (shades[name],) * 3).save(root / name)
    return root


def built(folder: Path, out: Path, **settings) -> Path:
    """The folder of manifest.parquet, classes.csv and bad.csv made from an image folder."""
    defaults = {
        "class_ids": ["cat", "dog"],
        "layout": {"kind": "folder", "path": str(folder), "val_fraction": 0.2},
        "names": {},
        "on_bad_image": "stop",
        "check": "decode",
        "max_per_class": None,
        "threads": 2,
    }
    out.mkdir(exist_ok=True)
    paths = [str(out / name) for name in ("manifest.parquet", "classes.csv", "bad.csv")]
    build_manifest(settings.pop("written", None), *paths, **defaults | {"made_of": {}, "needed": ""} | settings)
    return out


def read(out: Path) -> pd.DataFrame:
    return pd.read_parquet(out / "manifest.parquet")


# ---------------------------------------------------------------- what it holds


def test_manifest_lists_every_image_with_its_class_and_size(tmp_path):
    images = read(built(painted(tmp_path / "images"), tmp_path / "out"))
    assert list(images.columns) == COLUMNS
    assert list(zip(images["split"], images["image_id"], images["width"], strict=True)) == [
        ("train", "cat/0.png", 8),
        ("train", "cat/1.png", 9),
        ("train", "cat/2.png", 10),
        ("train", "dog/0.png", 11),
        ("train", "dog/1.png", 12),
        ("val", "cat/0.png", 13),
        ("val", "dog/0.png", 14),
        ("val", "dog/1.png", 15),
    ]
    assert set(images["height"]) == {8}
    assert all(Path(path).is_file() for path in images["path"])


def test_rows_are_numbered_from_zero_within_each_split(tmp_path):
    out = built(painted(tmp_path / "images"), tmp_path / "out")
    assert read_split(out / "manifest.parquet", "train")["row"].tolist() == [0, 1, 2, 3, 4]
    assert read_split(out / "manifest.parquet", "val")["row"].tolist() == [0, 1, 2]


def test_order_of_classes_asked_for_is_the_order_of_labels(tmp_path):
    out = built(painted(tmp_path / "images"), tmp_path / "out", class_ids=["dog", "cat"])
    images = read(out)
    assert read_classes(out / "classes.csv") == [ClassEntry(0, "dog", "dog"), ClassEntry(1, "cat", "cat")]
    assert dict(zip(images["class_id"], images["class_index"], strict=True)) == {"dog": 0, "cat": 1}
    assert images["class_id"].tolist()[:2] == ["dog", "dog"]


@pytest.mark.parametrize(
    "lines",
    [
        ["1,dog,dog", "0,cat,cat"],
        ["0,cat,cat", "2,dog,dog"],
        ["0,cat,cat", "0,dog,dog"],
        ["0,cat,cat", "1,cat,cat"],
    ],
)
def test_class_table_out_of_order_is_refused(tmp_path, lines):
    (tmp_path / "classes.csv").write_text("\n".join(["index,id,name", *lines]) + "\n")
    with pytest.raises(RetortError, match=r"classes\.csv does not list each class once in label order"):
        read_classes(tmp_path / "classes.csv")


def test_classes_left_out_are_not_in_the_manifest(tmp_path):
    painted(tmp_path / "images", COUNTS | {"train/cow": 1, "val/cow": 1})
    assert set(read(built(tmp_path / "images", tmp_path / "out"))["class_id"]) == {"cat", "dog"}


NAMES = {
    "n01": "tench, Tinca tinca",
    "Äpfel & Birnen": "apples 'n' \"pears\"",
    "甲虫": "NA",
    "null": "two\nlines",
    "9": "",
}


def test_class_ids_and_names_may_hold_any_text(tmp_path):
    classes = list(NAMES)
    painted(tmp_path / "images", {f"{split}/{c}": 1 for split in ("train", "val") for c in classes})
    named = {c: NAMES[c] for c in classes if c != "n01"}
    out = built(tmp_path / "images", tmp_path / "out", class_ids=classes, names=named)
    entries = [ClassEntry(i, c, named.get(c, c)) for i, c in enumerate(classes)]
    assert read_classes(out / "classes.csv") == entries
    images = read(out)
    assert [ClassEntry(i, c, n) for i, c, n in images[["class_index", "class_id", "class_name"]].values] == entries * 2


def test_readers_get_one_split_and_some_classes_in_the_order_of_the_manifest(tmp_path):
    manifest = built(painted(tmp_path / "images"), tmp_path / "out") / "manifest.parquet"
    assert read_split(manifest, "val", ["dog"])["image_id"].tolist() == ["dog/0.png", "dog/1.png"]
    both = read_split(manifest, "train", ["dog", "cat"])
    pd.testing.assert_frame_equal(both, read_split(manifest, "train"))
    assert read_split(manifest, "train", ["dog"])["row"].tolist() == [3, 4]


# ---------------------------------------------------------------- what it does not depend on


@pytest.mark.parametrize("counts", [COUNTS, {"cat": 12, "dog": 9}], ids=["train and val", "one folder"])
def test_order_in_which_folders_were_made_and_threads_do_not_matter(tmp_path, counts):
    found = []
    for i, threads in enumerate([1, 4, 2]):
        out = built(painted(tmp_path / f"{i}" / "images", counts, shuffle=i), tmp_path / f"{i}", threads=threads)
        found.append(read(out).drop(columns="path"))
    pd.testing.assert_frame_equal(found[0], found[1])
    pd.testing.assert_frame_equal(found[0], found[2])


def test_writing_numbers_the_rows_of_each_split_in_the_order_given(tmp_path):
    images = pd.DataFrame({c: ["x"] * 4 for c in COLUMNS if c != "row"}).assign(split=["val", "train", "val", "train"])
    write_manifest(images, [], tmp_path / "m.parquet", tmp_path / "c.csv")
    assert read_split(tmp_path / "m.parquet", "train")["row"].tolist() == [0, 1]
    assert pd.read_parquet(tmp_path / "m.parquet")["row"].tolist() == [0, 0, 1, 1]


# ---------------------------------------------------------------- bad images


@pytest.fixture
def spoilt(tmp_path) -> Path:
    folder = painted(tmp_path / "images")
    (folder / "train/cat/1.png").write_bytes(b"")
    (folder / "val/dog/0.png").write_text("no image")
    whole = (folder / "train/dog/0.png").read_bytes()
    (folder / "train/dog/0.png").write_bytes(whole[:45])  # cut off inside the pixels
    return folder


BAD = ["train/cat/1.png", "train/dog/0.png", "val/dog/0.png"]


def test_stop_names_every_bad_image_and_the_way_out_and_writes_nothing(spoilt, tmp_path):
    with pytest.raises(RetortError, match=r"3 of 8 images cannot be read") as caught:
        built(spoilt, tmp_path / "out")
    assert [name for name in BAD if f"{spoilt / name}: " not in str(caught.value)] == []
    assert "empty file" in str(caught.value)
    assert "dataset.on_bad_image: skip" in str(caught.value)
    assert list((tmp_path / "out").iterdir()) == []


def test_stop_says_how_many_more_there_are_than_it_lists(tmp_path):
    folder = painted(tmp_path / "images", {"train/cat": 30, "train/dog": 1, "val/cat": 1, "val/dog": 1})
    for path in (folder / "train/cat").iterdir():
        path.write_bytes(b"")
    with pytest.raises(RetortError, match=r"30 of 33 images") as caught:
        built(folder, tmp_path / "out")
    assert str(caught.value).count("empty file") == 20
    assert "10 more" in str(caught.value)


def test_skip_leaves_bad_images_out_and_lists_them_with_reasons(spoilt, tmp_path):
    out = built(spoilt, tmp_path / "out", on_bad_image="skip")
    listed = read_rows(out / "bad.csv")
    assert [row["path"] for row in listed] == [str(spoilt / name) for name in BAD]
    assert "empty file" in listed[0]["reason"]
    images = read(out)
    assert images["image_id"].tolist() == ["cat/0.png", "cat/2.png", "dog/1.png", "cat/0.png", "dog/1.png"]
    assert images["row"].tolist() == [0, 1, 2, 0, 1]


def test_bad_image_in_a_plain_folder_moves_no_other_into_another_split(tmp_path):
    folder = painted(tmp_path / "images", {"cat": 12, "dog": 12})
    before = read(built(folder, tmp_path / "before"))
    (folder / "cat/3.png").write_bytes(b"")
    after = read(built(folder, tmp_path / "after", on_bad_image="skip"))
    kept = before[before["image_id"] != "cat/3.png"]
    assert after[["split", "image_id"]].values.tolist() == kept[["split", "image_id"]].values.tolist()


def test_good_folder_has_an_empty_list_of_bad_images(tmp_path):
    out = built(painted(tmp_path / "images"), tmp_path / "out")
    assert (out / "bad.csv").read_text() == "path,reason\n"


def test_skipping_the_last_image_of_a_class_is_an_error_that_names_it(tmp_path):
    folder = painted(tmp_path / "images")
    (folder / "val/cat/0.png").write_bytes(b"")
    with pytest.raises(RetortError, match=r"no readable image is left in val/cat"):
        built(folder, tmp_path / "out", on_bad_image="skip")


# ---------------------------------------------------------------- from the manifest to pixels


@pytest.mark.parametrize("threads", [1, 3])
def test_decoded_split_has_pixels_and_labels_in_manifest_order(tmp_path, threads):
    out = built(painted(tmp_path / "images"), tmp_path / "out", class_ids=["dog", "cat"])
    decode_split(str(out / "manifest.parquet"), str(out / "t.safetensors"), split="train", side=4, threads=threads)
    pixels, labels = open_split(str(out / "t.safetensors"))
    assert (pixels.shape, pixels.dtype, labels.dtype) == ((5, 4, 4, 3), np.uint8, np.int64)
    assert pixels[:, 0, 0, 0].tolist() == [3, 4, 0, 1, 2]  # shades, in the order in which they were painted
    assert labels.tolist() == [0, 0, 1, 1, 1]


def test_digits_go_all_the_way_from_scans_to_a_manifest(tmp_path):
    layout = {"kind": "digits", "resolution": 8}
    export_images(str(tmp_path / "images"), layout, ["1", "0"])
    written = str(tmp_path / "images")
    images = read(built(None, tmp_path / "out", written=written, layout=layout, class_ids=["1", "0"]))
    assert images.groupby("split").size().to_dict() == {"train": 280, "val": 80}
    assert images.groupby("class_id")["class_index"].unique().map(list).to_dict() == {"0": [1], "1": [0]}
