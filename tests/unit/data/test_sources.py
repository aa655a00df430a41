"""Where images come from: the digits as they were scanned, and folders split the same way by everybody."""

import os
import random
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from sklearn.datasets import load_digits

from retort.base.errors import RetortError
from retort.config.load import load_config
from retort.data.class_ids import refuse_odd_ids
from retort.data.classes import class_list
from retort.data.layouts.digits import list_classes as list_digits
from retort.data.layouts.digits import write_images as write_digits
from retort.data.layouts.folders import list_folder_classes, list_images, places

TEN = [str(d) for d in range(10)]

# ---------------------------------------------------------------- digits


@pytest.fixture(scope="module")
def digits(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("digits")
    write_digits(folder, TEN, 8)
    return folder


def files(folder: Path) -> list[str]:
    return sorted(str(p.relative_to(folder)) for p in folder.rglob("*.png"))


def test_digits_are_1397_for_training_and_400_held_out(digits):
    rows = list_images(digits, TEN, 0.5)
    assert Counter(row.split for row in rows) == {"train": 1397, "val": 400}


def test_digits_are_held_out_in_proportion_to_their_class(digits):
    held_out = Counter(Path(name).parent.name for name in files(digits / "val"))
    for digit, size in Counter(load_digits(return_X_y=True)[1].astype(str)).items():
        assert abs(held_out[digit] - size * 400 / 1797) < 1


def test_split_of_the_digits_never_changes(digits):
    assert [Path(name).stem for name in files(digits) if name.startswith("val/7/")][:6] == [
        "0081",
        "0173",
        "0211",
        "0236",
        "0240",
        "0283",
    ]


def test_digits_are_the_real_scans_each_under_its_own_label(digits):
    scans, labels = load_digits(return_X_y=True)
    names = files(digits)
    assert len(names) == len({Path(name).stem for name in names}) == 1797
    for name in names:
        row, label = int(Path(name).stem), int(Path(name).parent.name)
        assert label == labels[row]
        expected = np.round(scans[row].reshape(8, 8, 1) * 255 / 16).repeat(3, axis=2)
        assert np.array_equal(np.asarray(Image.open(digits / name)), expected)


def test_some_of_the_digits_are_the_same_files_in_the_same_split(digits, tmp_path):
    write_digits(tmp_path, ["7", "3"], 8)
    assert files(tmp_path) == [name for name in files(digits) if name.split("/")[1] in "73"]


def test_digits_are_enlarged_to_the_side_asked_for(tmp_path):
    write_digits(tmp_path, ["0"], 24)
    image = Image.open(tmp_path / files(tmp_path)[0])
    assert (image.size, image.mode) == ((24, 24), "RGB")


def test_digit_classes_keep_the_order_asked_for_and_refuse_what_is_no_digit():
    assert list_digits(None) == TEN
    assert list_digits(["7", "0"]) == ["7", "0"]
    with pytest.raises(RetortError, match=r"dataset.classes: the digits have no class 10, x; they are '0' to '9'"):
        list_digits(["1", "10", "x"])


# ---------------------------------------------------------------- folders


def filled(root: Path, counts: dict[str, int]) -> Path:
    """`root` with folders of so many (empty) image files each."""
    for folder, count in counts.items():
        (root / folder).mkdir(parents=True, exist_ok=True)
        for i in range(count):
            (root / folder / f"{i:03d}.png").touch()
    return root


def listed(root: Path, classes=("cat", "dog"), val_fraction=0.2) -> list[tuple[str, str]]:
    """(split, image id) of every image."""
    return [(r.split, r.image_id) for r in list_images(root, list(classes), val_fraction)]


SPLIT_FOLDERS = {"train/cat": 2, "train/dog": 1, "val/cat": 1, "val/dog": 1}


def test_train_and_val_folders_are_the_splits_ordered_by_class_and_name(tmp_path):
    rows = list_images(filled(tmp_path, SPLIT_FOLDERS), ["dog", "cat"], 0.5)
    assert rows == [
        ("train", "dog", "dog/000.png", str(tmp_path / "train/dog/000.png")),
        ("train", "cat", "cat/000.png", str(tmp_path / "train/cat/000.png")),
        ("train", "cat", "cat/001.png", str(tmp_path / "train/cat/001.png")),
        ("val", "dog", "dog/000.png", str(tmp_path / "val/dog/000.png")),
        ("val", "cat", "cat/000.png", str(tmp_path / "val/cat/000.png")),
    ]


class Listing(list):
    """The entries of a folder in an order of our own."""

    def __init__(self, entries, order):
        super().__init__(order(sorted(entries, key=lambda entry: entry.name)))

    def __enter__(self):
        return self

    def __exit__(self, *error):
        pass


@pytest.mark.parametrize("counts", [SPLIT_FOLDERS, {"cat": 30, "dog": 30}], ids=["train and val", "one folder"])
def test_order_in_which_the_file_system_lists_files_does_not_matter(tmp_path, counts, monkeypatch):
    filled(tmp_path, counts)
    found, listing = [], os.scandir
    for order in (
        list,
        lambda entries: entries[::-1],
        lambda entries: random.Random(0).sample(entries, len(entries)),
    ):
        monkeypatch.setattr(os, "scandir", lambda folder, order=order: Listing(listing(folder), order))
        found.append((list_folder_classes(tmp_path, None), listed(tmp_path)))
    assert found[0] == found[1] == found[2]


def test_only_image_files_count_and_hidden_folders_do_not(tmp_path):
    filled(tmp_path, SPLIT_FOLDERS | {"train/.cache": 1, "val/.other": 1})
    for name in ("notes.txt", "LARGE.JPEG", "old.Gif", "phone.jfif", "._LARGE.JPEG"):
        (tmp_path / "train/cat" / name).touch()
    ids = [image_id for _, image_id in listed(tmp_path)]
    assert {"cat/LARGE.JPEG", "cat/old.Gif", "cat/phone.jfif"} <= set(ids)
    assert not {"cat/notes.txt", "cat/._LARGE.JPEG"} & set(ids)
    assert list_folder_classes(tmp_path, None) == ["cat", "dog"]


# ---------------------------------------------------------------- folders without train and val


def test_split_follows_the_names_of_class_and_file_and_nothing_else(tmp_path):
    here, there = filled(tmp_path / "a", {"cat": 40, "dog": 40}), filled(tmp_path / "b", {"cat": 40, "dog": 40})
    assert listed(here) == listed(there)
    assert listed(here, ["cat"]) == [(split, i) for split, i in listed(here) if i.startswith("cat")]
    held_out = {i.split("/")[1] for split, i in listed(here) if split == "val" and i.startswith("cat")}
    assert held_out != {i.split("/")[1] for split, i in listed(here) if split == "val" and i.startswith("dog")}


def test_training_images_come_first_and_every_image_is_in_one_split(tmp_path):
    found = listed(filled(tmp_path, {"cat": 40, "dog": 40}))
    splits = [split for split, _ in found]
    assert splits == sorted(splits)
    assert sorted(i for _, i in found) == [f"{c}/{i:03d}.png" for c in ("cat", "dog") for i in range(40)]


@pytest.mark.parametrize(
    ("images", "val_fraction", "held_out"),
    [
        (14, 0.2, 3),
        (1000, 0.3, 300),
        (10, 0.25, 2),
        (2, 0.01, 1),
        (2, 0.99, 1),
        (3, 0.99, 2),
        (10, 0.99, 9),
        (10, 0.01, 1),
    ],
)
def test_exactly_the_share_asked_for_is_held_out_of_each_class(tmp_path, images, val_fraction, held_out):
    found = listed(filled(tmp_path, {"cat": images, "dog": images}), val_fraction=val_fraction)
    counts = Counter((split, i.split("/")[0]) for split, i in found)
    assert counts["val", "cat"] == counts["val", "dog"] == held_out
    assert counts["train", "cat"] == counts["train", "dog"] == images - held_out


def test_an_image_that_is_added_moves_one_other_at_most(tmp_path):
    before = dict(map(reversed, listed(filled(tmp_path, {"cat": 40, "dog": 40}))))
    new = {}
    for i in range(20):
        (tmp_path / "cat" / f"new {i}.png").touch()
        after = dict(map(reversed, listed(tmp_path)))
        moved = [i for i in before if before[i] != after[i]]
        assert len(moved) <= 1
        assert all(i.startswith("cat") for i in moved)
        before, new = after, {split: i for i, split in after.items() if "new" in i}
    assert new.keys() == {"train", "val"}


# ---------------------------------------------------------------- classes


def test_classes_are_the_folder_names_sorted_or_in_the_order_asked_for(tmp_path):
    names = ["zebra", "Äpfel & Birnen", "甲虫", "10", "9"]
    filled(tmp_path, dict.fromkeys(names, 2))
    (tmp_path / "readme.txt").touch()
    assert list_folder_classes(tmp_path, None) == sorted(names)
    assert list_folder_classes(tmp_path, ["zebra", "9", "甲虫"]) == ["zebra", "9", "甲虫"]
    assert {i.split("/")[0] for _, i in listed(tmp_path, sorted(names))} == set(names)


def test_class_list_asks_the_source_that_the_config_names(tmp_path):
    filled(tmp_path, {"cat": 2, "dog": 2})
    rest = {
        "methods": {"random": {"select": "random"}},
        "protocols": {
            "hard": {
                "labels": "hard",
                "views": {"steps": 1},
                "optimizer": {"kind": "sgd", "lr": 1, "schedule": "constant"},
            }
        },
        "runs": [{"methods": ["random"], "ipc": [1], "protocols": ["hard"], "students": ["resnet8"]}],
    }
    folder = {"kind": "folder", "path": str(tmp_path), "name": "mine", "resolution": 8}
    assert class_list(load_config(rest | {"dataset": folder}).dataset) == ["cat", "dog"]
    assert class_list(load_config(rest | {"dataset": {"kind": "digits"}}).dataset) == TEN


COMPOSED, DECOMPOSED = "caf\u00e9", "cafe\u0301"


def test_letters_in_other_code_points_are_the_same_class_as_the_folder_spells_it(tmp_path):
    filled(tmp_path, {DECOMPOSED: 4, "bar": 4})
    assert list_folder_classes(tmp_path, [COMPOSED, "bar"]) == [DECOMPOSED, "bar"]
    assert {i.split("/")[0] for _, i in listed(tmp_path, [DECOMPOSED, "bar"])} == {DECOMPOSED, "bar"}


def test_splits_may_spell_the_letters_of_a_class_differently(tmp_path):
    filled(tmp_path, {f"train/{DECOMPOSED}": 2, "train/bar": 2, f"val/{COMPOSED}": 1, "val/bar": 1})
    rows = list_images(tmp_path, list_folder_classes(tmp_path, None), 0.5)
    assert [(r.split, r.image_id) for r in rows if r.class_id == DECOMPOSED] == [
        ("train", f"{DECOMPOSED}/000.png"),
        ("train", f"{DECOMPOSED}/001.png"),
        ("val", f"{DECOMPOSED}/000.png"),
    ]
    assert all(Path(row.path).is_file() for row in rows)
    assert places(tmp_path, [DECOMPOSED])[1] == tmp_path / "val" / COMPOSED


def test_two_folders_of_the_same_letters_are_no_two_classes():
    with pytest.raises(RetortError, match=r"the same letters in other code points are two classes: .*; keep one"):
        refuse_odd_ids([COMPOSED, "bar", DECOMPOSED], "dataset.path")


# ---------------------------------------------------------------- mistakes


@pytest.mark.parametrize(
    ("counts", "message"),
    [
        (
            {"train/cat": 2, "train/dog": 2},
            r"has train/ but no val/; add val/, or put the class folders directly under",
        ),
        (SPLIT_FOLDERS | {"val/cow": 1}, r"disagree about classes: only one of them has cow"),
        (SPLIT_FOLDERS | {"train/cow": 1}, r"disagree about classes: only one of them has cow"),
        (SPLIT_FOLDERS | {"train/dog": 0}, r"train/dog has no images \(looked for .*\.jpeg"),
        (SPLIT_FOLDERS | {"val/dog": 0}, r"val/dog has no images"),
        ({"cat": 2, "dog": 0}, r"dog has 0 images; at least two are needed to hold one out"),
        ({"cat": 2, "dog": 1}, r"dog has 1 image; at least two are needed to hold one out"),
    ],
)
def test_folder_that_cannot_be_used_is_named_with_what_to_change(tmp_path, counts, message):
    root = filled(tmp_path, counts)
    with pytest.raises(RetortError, match=message):
        listed(root, list_folder_classes(root, None))


def test_named_classes_need_only_their_own_folders_in_both_splits(tmp_path):
    root = filled(tmp_path, SPLIT_FOLDERS | {"train/unlabelled": 5, "val/other": 1})
    assert len(listed(root, ["cat", "dog"])) == sum(SPLIT_FOLDERS.values())
    with pytest.raises(RetortError, match="only one of them has unlabelled"):
        listed(root, ["cat", "unlabelled"])


@pytest.mark.parametrize("name", ["train", "val"])
def test_a_class_may_be_called_like_a_split(tmp_path, name):
    root = filled(tmp_path, {"bus": 3, "car": 3, name: 3})
    assert list_folder_classes(root, None) == sorted(["bus", "car", name])
    assert len(listed(root, ["bus", "car", name])) == 9


@pytest.mark.parametrize(
    ("counts", "wanted", "message"),
    [
        (None, None, r"dataset.path: there is no folder .*nowhere; give the folder that holds one folder per class"),
        ({}, None, r"dataset.path: .* has 0 class folders \(none\); at least two are needed"),
        ({"cat": 1}, None, r"dataset.path: .* has 1 class folder \(cat\); at least two are needed"),
        ({"cat": 1, "dog": 1}, ["cow", "dog", "ape"], r"dataset.classes: .* has no folder cow, ape; it has cat, dog"),
        ({}, ["cow", "dog"], r"dataset.classes: .* has no folder cow, dog; it has none"),
        ({f"{i:02d}": 1 for i in range(12)}, ["cow", "00"], r"it has 00, .*, 07 and 4 more"),
        ({"Cats": 1, "DOG": 1}, ["Cats", "dog"], r"has no folder dog, did you mean 'DOG'\?; it has Cats, DOG"),
        (SPLIT_FOLDERS, ["cow", "dog"], r"dataset.classes: .*train has no folder cow; it has cat, dog"),
    ],
)
def test_missing_folder_or_class_is_named_with_what_there_is(tmp_path, counts, wanted, message):
    root = tmp_path / "nowhere" if counts is None else filled(tmp_path, counts)
    with pytest.raises(RetortError, match=message):
        list_folder_classes(root, wanted)
