"""Tiny-ImageNet, Places365 and image folders of the hub in miniature, however they lie on disk."""

from pathlib import Path

import pytest
from tests.helpers.small_datasets import built, classes_of, painted, planned, seen, spoil

from retort.base.errors import RetortError
from retort.data.imagenet import imagenet_names, subset_classes

# ---------------------------------------------------------------- Tiny-ImageNet

TINY = ["n01443537", "n01629819", "n02124075"]
TINY_TRAIN = [f"train/{wnid}/images/{wnid}_{i}.JPEG" for wnid in TINY for i in range(2)]
TINY_VAL = {"val_0.JPEG": TINY[2], "val_1.JPEG": TINY[0], "val_2.JPEG": TINY[1], "val_3.JPEG": TINY[0]}


def tiny(root: Path, shuffle: int | None = None) -> Path:
    painted(root, TINY_TRAIN + [f"val/images/{name}" for name in TINY_VAL] + ["test/images/test_0.JPEG"], shuffle)
    (root / "wnids.txt").write_text("\n".join([TINY[2], TINY[0], TINY[1]]))
    (root / "words.txt").write_text(f"{TINY[1]}\tEuropean fire salamander\n{TINY[0]}\tgoldfish\nn00001740\tentity\n")
    lines = (f"{name}\t{wnid}\t0\t32\t44\t62\n" for name, wnid in TINY_VAL.items())
    (root / "val/val_annotations.txt").write_text("".join(lines))
    return root


TINY_SEEN = [
    *(("train", f"{wnid}/{wnid}_{i}.JPEG", label, 2 * label + i) for label, wnid in enumerate(TINY) for i in range(2)),
    ("val", f"{TINY[0]}/val_1.JPEG", 0, 7),
    ("val", f"{TINY[0]}/val_3.JPEG", 0, 9),
    ("val", f"{TINY[1]}/val_2.JPEG", 1, 8),
    ("val", f"{TINY[2]}/val_0.JPEG", 2, 6),
]


@pytest.mark.parametrize("shuffle", [None, 1])
def test_tiny_imagenet_is_read_as_it_is_published_with_its_wnids_sorted(tmp_path, shuffle):
    plan = planned("tiny-imagenet", tiny(tmp_path / "data", shuffle))
    assert plan.classes == TINY
    assert seen(built(plan, tmp_path / "out")) == TINY_SEEN
    names = [name for _, _, name in classes_of(tmp_path / "out")]
    assert names == ["goldfish", "European fire salamander", imagenet_names()[TINY[2]]]


def test_tiny_imagenet_with_its_validation_images_sorted_into_folders_is_the_same(tmp_path):
    root = tiny(tmp_path / "data")
    for name, wnid in TINY_VAL.items():
        (root / "val" / wnid).mkdir(exist_ok=True)
        (root / "val/images" / name).rename(root / "val" / wnid / name)
    (root / "val/images").rmdir()
    assert seen(built(planned("tiny-imagenet", root), tmp_path / "out")) == TINY_SEEN


def test_tiny_imagenet_takes_a_part_in_the_order_asked_for(tmp_path):
    images = built(planned("tiny-imagenet", tiny(tmp_path / "data"), classes=[TINY[2], TINY[0]]), tmp_path / "out")
    assert images["class_id"].unique().tolist() == [TINY[2], TINY[0]]
    assert images["class_index"].unique().tolist() == [0, 1]


def test_tiny_imagenet_is_planned_without_the_data():
    assert planned("tiny-imagenet", Path("nowhere")).classes == list(subset_classes("tiny-imagenet"))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (spoil("wnids.txt", "\n".join([*TINY, TINY[0]])), rf"wnids\.txt: classes named twice: {TINY[0]}"),
        (spoil("wnids.txt", "\n".join([*TINY, "../x"])), r"wnids\.txt: '\.\./x' cannot name a folder"),
        (spoil("wnids.txt", "\n".join([*TINY, "n02085620"])), r"train has no folder for n02085620"),
        (spoil("val/val_annotations.txt"), r"there is no .*val_annotations\.txt, which names the class"),
        (spoil("val/val_annotations.txt", f"val_0.JPEG\t{TINY[0]}\n"), r"has no label for 3 files .*: val_1, val_2"),
        (
            spoil("val/val_annotations.txt", "val_0.JPEG\tn02085620\n"),
            r"line 1: expected a file and one of the 3 wnids",
        ),
        (spoil("val/val_annotations.txt", "val_0.JPEG\n"), r"line 1: expected a file and one of the 3 wnids; found"),
        (spoil("val/images/val_2.JPEG"), r"labels 1 files that .* does not have: val_2"),
        (spoil(f"train/{TINY[0]}/images/{TINY[0]}_0.JPEG"), None),
    ],
)
def test_tiny_imagenet_that_is_laid_out_otherwise_is_refused_with_the_place(tmp_path, change, message):
    root = tiny(tmp_path / "data")
    change(root)
    if message is None:  # one image less is no mistake
        assert len(built(planned("tiny-imagenet", root), tmp_path / "out")) == len(TINY_SEEN) - 1
        return
    with pytest.raises(RetortError, match=message):
        built(planned("tiny-imagenet", root), tmp_path / "out")


# ---------------------------------------------------------------- Places365

CATEGORIES = "/a/airfield 0\n/a/apartment_building/outdoor 1\n/a/arch 2\n"
PLACES = ["airfield", "apartment_building-outdoor", "arch"]
PLACES_VAL = [f"Places365_val_{i:08d}.jpg" for i in range(1, 5)]
PLACES_LABELS = [2, 0, 1, 0]


def standard(root: Path, shuffle: int | None = None) -> Path:
    train = [f"train/{c}/0000000{i}.jpg" for c in PLACES for i in range(2)]
    val = [f"val/{PLACES[label]}/{name}" for label, name in zip(PLACES_LABELS, PLACES_VAL, strict=True)]
    return painted(root, train + val, shuffle)


def kit(root: Path, train: str = "data_256", val: str = "val_256") -> Path:
    nested = ["a/airfield", "a/apartment_building/outdoor", "a/arch"]
    painted(
        root, [f"{train}/{c}/0000000{i}.jpg" for c in nested for i in range(2)] + [f"{val}/{n}" for n in PLACES_VAL]
    )
    (root / "categories_places365.txt").write_text(CATEGORIES)
    lines = (f"{n} {label}\n" for n, label in zip(PLACES_VAL, PLACES_LABELS, strict=True))
    (root / "places365_val.txt").write_text("".join(lines))
    return root


PLACES_SEEN = [
    *(("train", f"{c}/0000000{i}.jpg", label, 2 * label + i) for label, c in enumerate(PLACES) for i in range(2)),
    ("val", f"{PLACES[0]}/{PLACES_VAL[1]}", 0, 7),
    ("val", f"{PLACES[0]}/{PLACES_VAL[3]}", 0, 9),
    ("val", f"{PLACES[1]}/{PLACES_VAL[2]}", 1, 8),
    ("val", f"{PLACES[2]}/{PLACES_VAL[0]}", 2, 6),
]


@pytest.mark.parametrize("shuffle", [None, 1])
def test_places_in_its_easy_form_is_read_by_folder(tmp_path, shuffle):
    plan = planned("places365", standard(tmp_path / "data", shuffle))
    assert plan.classes == PLACES
    assert seen(built(plan, tmp_path / "out")) == PLACES_SEEN
    assert [name for _, _, name in classes_of(tmp_path / "out")] == ["airfield", "apartment building outdoor", "arch"]


@pytest.mark.parametrize("folders", [("data_256", "val_256"), ("data_large", "val_large"), ("train", "val")])
def test_places_as_the_development_kit_has_it_is_the_same(tmp_path, folders):
    plan = planned("places365", kit(tmp_path / "data", *folders))
    assert plan.classes == PLACES
    assert seen(built(plan, tmp_path / "out")) == PLACES_SEEN


def test_order_of_the_category_file_is_the_order_of_labels(tmp_path):
    root = standard(tmp_path / "data")
    (root / "categories_places365.txt").write_text("/a/arch 0\n/a/apartment_building/outdoor 2\n/a/airfield 1\n")
    assert planned("places365", root).classes == ["arch", "airfield", "apartment_building-outdoor"]


def test_places_is_planned_without_the_data_when_classes_are_named():
    assert planned("places365", Path("nowhere"), classes=["arch", "airfield"]).classes == ["arch", "airfield"]
    with pytest.raises(
        RetortError, match=r"neither nowhere/categories_places365\.txt nor .* or the classes in dataset\."
    ):
        planned("places365", Path("nowhere"))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (spoil("categories_places365.txt", "airfield\n"), r"line 1: expected"),
        (spoil("categories_places365.txt", "/a/../../etc 0\n"), r"line 1: expected"),
        (spoil("categories_places365.txt", CATEGORIES + "/a/arena 2\n"), r"expected each index from 0 on once"),
        (spoil("categories_places365.txt", CATEGORIES + "/b/arch 3\n"), r"classes named twice: arch"),
        (spoil("categories_places365.txt", CATEGORIES + "/b/bar 3\n"), r"data_256 has no folder for bar"),
        (spoil("places365_val.txt", f"{PLACES_VAL[0]} 3\n"), r"line 1: expected a file and a label index from 0 to 2"),
        (spoil("places365_val.txt", f"{PLACES_VAL[0]} 0\n"), r"has no label for 3 files"),
        (spoil("places365_val.txt"), r"val_256 holds images, not one folder per class; put categories_places365"),
        (spoil(f"val_256/{PLACES_VAL[0]}"), r"labels 1 files that .* does not have"),
    ],
)
def test_places_laid_out_otherwise_is_refused_with_the_place(tmp_path, change, message):
    root = kit(tmp_path / "data")
    change(root)
    with pytest.raises(RetortError, match=message):
        built(planned("places365", root), tmp_path / "out")


# ---------------------------------------------------------------- Hugging Face image folders


@pytest.mark.parametrize("under", ["", "data/"])
@pytest.mark.parametrize("val", ["validation", "val", "test"])
def test_hub_image_folder_has_its_splits_by_the_hubs_names(tmp_path, under, val):
    names = [f"{under}{split}/{c}/{i}.png" for split in ("train", val) for c in ("cat", "dog") for i in range(2)]
    plan = planned("huggingface", painted(tmp_path / "data", names, 1), format="imagefolder")
    found = seen(built(plan, tmp_path / "out"))
    assert [(split, shade) for split, _, _, shade in found] == [
        (s, 4 * j + i) for j, s in enumerate(["train", "val"]) for i in range(4)
    ]
    assert plan.classes == ["cat", "dog"]


def test_test_split_counts_only_where_there_is_no_validation(tmp_path):
    names = [
        f"{split}/{c}/{i}.png" for split in ("train", "test", "validation") for c in ("cat", "dog") for i in range(2)
    ]
    images = built(planned("huggingface", painted(tmp_path / "data", names), format="imagefolder"), tmp_path / "out")
    assert {Path(p).parts[-3] for p in images[images["split"] == "val"]["path"]} == {"validation"}


@pytest.mark.parametrize("under", ["", "train/", "data/train/"])
def test_hub_image_folder_with_one_split_or_none_holds_some_images_out(tmp_path, under):
    painted(tmp_path / "data", [f"{under}{c}/{i}.png" for c in ("cat", "dog") for i in range(20)])
    images = built(planned("huggingface", tmp_path / "data", format="imagefolder"), tmp_path / "out")
    assert images.groupby(["split", "class_id"]).size().min() >= 1
    assert len(images) == 40


@pytest.mark.parametrize("split", ["train", "validation"])
def test_class_that_only_one_split_of_a_hub_folder_has_is_named(tmp_path, split):
    names = [f"{s}/{c}/0.png" for s in ("train", "validation") for c in ("cat", "dog")]
    painted(tmp_path / "data", [*names, f"{split}/cow/0.png"])
    with pytest.raises(RetortError, match=r"train/ and validation/ under .* only one of them has cow"):
        built(planned("huggingface", tmp_path / "data", format="imagefolder"), tmp_path / "out")
