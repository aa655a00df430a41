"""Each data set's own layout in miniature: the same images, splits and classes, however they lie on disk."""

import random
import tarfile
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image
from scipy.io import savemat
from tests.helpers.small_datasets import built, classes_of, paint, painted, planned, seen, spoil
from torchvision.datasets import imagenet as torchvision_imagenet

from retort.base.errors import RetortError
from retort.data.imagenet import imagenet_classes, subset_classes, subset_names
from retort.data.sources import list_images, write_images

# ---------------------------------------------------------------- ImageNet

# Two classes of one name, in the opposite of their sorted order, and the first class of all.
BIRD, MACHINE, TENCH = "n02012849", "n03126707", "n01440764"
THREE = [MACHINE, TENCH, BIRD]
TRAIN = [
    f"train/{wnid}/{wnid}_{i}.{suffix}" for wnid in sorted(THREE) for i, suffix in enumerate(["JPEG", "jpg", "Jpeg"])
]
# The wnid of each validation image, in the order of their numbers.
TRUTH = [BIRD, TENCH, MACHINE, TENCH]
VAL = [f"ILSVRC2012_val_{i:08d}" for i in range(1, 5)]


def by_wnid(root: Path, shuffle: int | None = None) -> Path:
    val = [f"val/{wnid}/{name}.JPEG" for wnid, name in zip(TRUTH, VAL, strict=True)]
    return painted(root, TRAIN + val, shuffle)


def flat(root: Path, truth: str, content: str, suffix: str = ".JPEG") -> Path:
    painted(root, TRAIN + [f"val/{name}{suffix}" for name in VAL])
    (root / truth).write_text(content)
    return root


def meta_mat(path: Path) -> dict[str, int]:
    """The devkit's meta.mat in its form: 1,000 leaves in an order of their own, then inner nodes. Ids by wnid."""
    wnids = random.Random(0).sample(imagenet_classes(), 1000)
    kind = [(name, object) for name in ("ILSVRC2012_ID", "WNID", "words", "gloss", "num_children", "children")]
    rows = np.empty((len(wnids) + 2, 1), dtype=kind)
    for i, wnid in enumerate([*wnids, "n00001740", "n00001930"]):
        rows[i, 0] = (i + 1, wnid, f"word {i}", "gloss", 0 if i < 1000 else 2, np.array([1, 2][: 2 * (i >= 1000)]))
    savemat(path, {"synsets": rows})
    return {wnid: i + 1 for i, wnid in enumerate(wnids)}


def devkit(root: Path) -> dict:
    ids = meta_mat(root / "meta.mat")
    (root / "ILSVRC2012_validation_ground_truth.txt").write_text("".join(f"{ids[wnid]}\n" for wnid in TRUTH))
    return {"ground_truth": str(root / "ILSVRC2012_validation_ground_truth.txt")}


SORTED = sorted(imagenet_classes())
FORMS = {
    "file wnid": "".join(f"{n}.JPEG {w}\n" for n, w in reversed([*zip(VAL, TRUTH, strict=True)])),
    "file index": "".join(f"{n}.JPEG {SORTED.index(w)}\n" for n, w in zip(VAL, TRUTH, strict=True)),
    "wnids": "\n".join(TRUTH),
}
KAGGLE = "ImageId,PredictionString\n" + "".join(
    f"{n},{w} 1 2 3 4 {w} 5 6 7 8 \n" for n, w in reversed([*zip(VAL, TRUTH, strict=True)])
)
EXPECTED = [
    *(("train", f"{MACHINE}/{MACHINE}_{i}.{s}", 0, 6 + i) for i, s in enumerate(["JPEG", "jpg", "Jpeg"])),
    *(("train", f"{TENCH}/{TENCH}_{i}.{s}", 1, i) for i, s in enumerate(["JPEG", "jpg", "Jpeg"])),
    *(("train", f"{BIRD}/{BIRD}_{i}.{s}", 2, 3 + i) for i, s in enumerate(["JPEG", "jpg", "Jpeg"])),
    ("val", f"{MACHINE}/{VAL[2]}.JPEG", 0, 11),
    ("val", f"{TENCH}/{VAL[1]}.JPEG", 1, 10),
    ("val", f"{TENCH}/{VAL[3]}.JPEG", 1, 12),
    ("val", f"{BIRD}/{VAL[0]}.JPEG", 2, 9),
]


@pytest.mark.parametrize("shuffle", [None, 1, 2])
def test_imagenet_by_wnid_is_read_in_the_order_of_its_classes_however_it_was_made(tmp_path, shuffle):
    plan = planned("imagenet", by_wnid(tmp_path / "data", shuffle), classes=THREE)
    assert seen(built(plan, tmp_path / "out")) == EXPECTED
    assert classes_of(tmp_path / "out") == [
        ("0", MACHINE, "crane"),
        ("1", TENCH, "tench, Tinca tinca"),
        ("2", BIRD, "crane"),
    ]


@pytest.mark.parametrize("form", FORMS)
def test_flat_validation_folder_is_the_same_as_a_sorted_one_by_any_list(tmp_path, form):
    root = flat(tmp_path / "data", "truth.txt", FORMS[form])
    plan = planned("imagenet", root, classes=THREE, ground_truth=str(root / "truth.txt"))
    assert seen(built(plan, tmp_path / "out")) == EXPECTED


@pytest.mark.parametrize("mark", ["", "\ufeff"], ids=["plain", "with a byte order mark"])
def test_flat_validation_folder_by_kaggles_solution_may_lie_elsewhere(tmp_path, mark):
    root = flat(tmp_path / "data", "LOC_val_solution.csv", mark + KAGGLE)
    (root / "val").rename(tmp_path / "held out")
    keys = {"val": str(tmp_path / "held out"), "ground_truth": str(root / "LOC_val_solution.csv")}
    assert seen(built(planned("imagenet", root, classes=THREE, **keys), tmp_path / "out")) == EXPECTED


def test_flat_validation_folder_by_the_devkits_own_numbers(tmp_path):
    root = flat(tmp_path / "data", "unused", "")
    plan = planned("imagenet", root, classes=THREE, **devkit(root))
    assert seen(built(plan, tmp_path / "out")) == EXPECTED


def test_the_miniature_devkit_is_one_that_torchvision_reads(tmp_path, monkeypatch):
    """So that the reader is held to the real form, not to this file's idea of it."""
    folder = tmp_path / "ILSVRC2012_devkit_t12" / "data"
    folder.mkdir(parents=True)
    devkit(folder)
    with tarfile.open(tmp_path / "kit.tar.gz", "w:gz") as packed:
        packed.add(folder.parent, folder.parent.name)
    monkeypatch.setattr(torchvision_imagenet, "_verify_archive", lambda *whatever: None)
    torchvision_imagenet.parse_devkit_archive(tmp_path, "kit.tar.gz")
    assert torchvision_imagenet.load_meta_file(tmp_path)[1] == TRUTH


def test_only_the_files_of_wanted_classes_need_be_there(tmp_path):
    root = flat(tmp_path / "data", "truth.txt", FORMS["file wnid"])
    (root / f"val/{VAL[0]}.JPEG").unlink()  # the bird
    keys = {"classes": [TENCH, MACHINE], "ground_truth": str(root / "truth.txt")}
    images = built(planned("imagenet", root, **keys), tmp_path / "out")
    assert images[images["split"] == "val"]["class_id"].tolist() == [TENCH, TENCH, MACHINE]


@pytest.mark.parametrize("subset", subset_names())
def test_imagenet_and_its_subsets_are_planned_without_the_data(tmp_path, subset):
    plan = planned("imagenet", tmp_path / "nowhere", subset=subset)
    assert plan.classes == list(subset_classes(subset))
    assert plan.contents_stamp() is None
    with pytest.raises(RetortError, match=r"there is no folder .*nowhere/train.*check dataset\.path"):
        built(plan, tmp_path / "out")


def test_all_of_imagenet_is_the_default():
    assert planned("imagenet", Path("nowhere")).classes == list(imagenet_classes())


@pytest.mark.parametrize(("name", "known"), [("ILSVRC2012_val_00000001", "imagenette"), ("n01440764_1", None)])
def test_numbers_of_papers_are_of_imagenets_own_validation_images(tmp_path, name, known):
    wnids = subset_classes("imagenette")
    painted(tmp_path, [f"{split}/{wnid}/{name}.JPEG" for split in ("train", "val") for wnid in wnids])
    assert planned("imagenet", tmp_path, subset="imagenette").dataset_identity() == known


def test_fastai_folder_is_read_with_its_own_validation_split(tmp_path):
    """imagenette2's val/ is a part of ImageNet's training images: that it is used as it lies is all there is to do."""
    ten = subset_classes("imagenette")
    painted(tmp_path, [f"{split}/{w}/{w}_{i}.JPEG" for i, split in enumerate(["train", "val"]) for w in ten], 0)
    images = built(planned("imagenet", tmp_path, subset="imagenette"), tmp_path / "out")
    assert images["class_id"].tolist() == [*ten, *ten]
    assert images["image_id"].tolist() == [f"{w}/{w}_{i}.JPEG" for i in range(2) for w in ten]


def test_classes_that_are_not_asked_for_do_no_harm(tmp_path):
    root = painted(by_wnid(tmp_path / "data"), ["train/n04019541/x.JPEG", "val/n02007558/x.JPEG", "train/notes/x.JPEG"])
    images = built(planned("imagenet", root, classes=[TENCH, BIRD]), tmp_path / "out")
    assert set(images["class_id"]) == {TENCH, BIRD}


PAIRS = FORMS["file wnid"]
TRUTH_MISTAKES = [
    (spoil("truth.txt"), r"dataset\.ground_truth: there is no file .*truth\.txt"),
    (spoil("truth.txt", ""), r"found lines of no words"),
    (spoil("truth.txt", PAIRS + "a b c\n"), r"found lines of 2 and 3 words"),
    (spoil("truth.txt", "\n".join(TRUTH[:3])), r"has 3 labels, but there are 4 images"),
    (spoil("truth.txt", "\n".join([*TRUTH, TENCH])), r"has 5 labels, but there are 4 images"),
    (spoil("truth.txt", PAIRS.split("\n", 1)[1]), rf"has no label for 1 files of .*val: {VAL[3]}"),
    (spoil("truth.txt", PAIRS + f"other.JPEG {TENCH}\n"), r"labels 1 files that .*val does not have: other"),
    (spoil("truth.txt", PAIRS + f"../train/{TENCH}/{TENCH}_0.JPEG {TENCH}\n"), r"labels 1 files .*: \.\./train/"),
    (spoil("truth.txt", PAIRS + f"/etc/x.JPEG {TENCH}\n"), r"labels 1 files .*: /etc/x"),
    (spoil("truth.txt", PAIRS + f"{VAL[0]}.JPEG {TENCH}\n"), rf"line 5: {VAL[0]}\.JPEG is named twice"),
    (spoil("truth.txt", PAIRS.replace(BIRD, "n99999999")), r"line 4: 'n99999999' is not a class of ImageNet-1K"),
    (spoil("truth.txt", PAIRS.replace(BIRD, "1000")), r"line 4: expected a wnid or a label index from 0 to 999; found"),
    (spoil("truth.txt", PAIRS.replace(BIRD, "-1")), r"line 4: expected .* found '-1'"),
    (spoil("truth.txt", PAIRS.replace(BIRD, TENCH)), rf"gives no image to {BIRD}"),
    (spoil("truth.txt", "\n".join("1" for _ in TRUTH)), r"as the devkit does, .* put meta\.mat .* as .*meta\.mat"),
    (spoil(f"val/{VAL[1]}.JPEG"), rf"labels 1 files that .* does not have: {VAL[1]}"),
]


@pytest.mark.parametrize(("change", "message"), TRUTH_MISTAKES)
def test_ground_truth_that_does_not_fit_is_refused_with_the_place(tmp_path, change, message):
    root = flat(tmp_path / "data", "truth.txt", PAIRS)
    change(root)
    with pytest.raises(RetortError, match=message):
        built(planned("imagenet", root, classes=THREE, ground_truth=str(root / "truth.txt")), tmp_path / "out")


def test_a_csv_that_is_not_kaggles_and_a_meta_mat_that_is_none_are_named(tmp_path):
    root = flat(tmp_path / "data", "truth.csv", "file,label\n")
    with pytest.raises(RetortError, match=r"ImageId and PredictionString .* found file, label"):
        built(planned("imagenet", root, classes=THREE, ground_truth=str(root / "truth.csv")), tmp_path / "out")
    keys = devkit(root)
    (root / "meta.mat").write_bytes(b"no matrix")
    with pytest.raises(RetortError, match=r"meta\.mat is not the devkit's meta\.mat"):
        built(planned("imagenet", root, classes=THREE, **keys), tmp_path / "out")


def test_two_files_that_differ_only_in_their_extension_are_refused(tmp_path):
    root = flat(tmp_path / "data", "truth.txt", PAIRS)
    paint(root / f"val/{VAL[0]}.jpg", 0)
    with pytest.raises(RetortError, match=rf"two files for each of {VAL[0]}"):
        built(planned("imagenet", root, classes=THREE, ground_truth=str(root / "truth.txt")), tmp_path / "out")


@pytest.mark.parametrize("suffix", [".jpeg", ".JPG", ".Jpg"])
def test_lists_that_name_files_by_another_extension_still_fit(tmp_path, suffix):
    root = flat(tmp_path / "data", "truth.txt", PAIRS, suffix)
    plan = planned("imagenet", root, classes=THREE, ground_truth=str(root / "truth.txt"))
    assert [row[1:] for row in seen(built(plan, tmp_path / "out"))[9:]] == [
        (image_id.replace(".JPEG", suffix), label, shade) for _, image_id, label, shade in EXPECTED[9:]
    ]


@pytest.mark.parametrize(
    ("names", "message"),
    [
        ([], r"there is no folder .*train"),
        ([f"train/{TENCH}/x.JPEG"], rf"train has no folder for {BIRD}; it has {TENCH}"),
        ([f"train/{TENCH}/x.JPEG", f"train/{BIRD}/x.txt"], rf"train/{BIRD} has no images"),
        ([f"train/{TENCH}/x.JPEG", f"train/{BIRD}/x.JPEG"], r"there is no folder .*val"),
        ([f"train/{TENCH}/x.JPEG", f"train/{BIRD}/x.JPEG", f"val/{TENCH}/x.JPEG"], rf"val has no folder for {BIRD}"),
        (
            [f"train/{TENCH}/x.JPEG", f"train/{BIRD}/x.JPEG", f"val/{TENCH}/x.JPEG", f"val/{BIRD}/x.txt"],
            rf"val/{BIRD} has no images",
        ),
        (
            [f"train/{TENCH}/x.JPEG", f"train/{BIRD}/x.JPEG", f"val/{VAL[0]}.JPEG"],
            r"val holds images, not one folder per class; name the file .* dataset\.ground_truth",
        ),
    ],
)
def test_imagenet_that_is_laid_out_otherwise_is_refused_with_the_place(tmp_path, names, message):
    (tmp_path / "data").mkdir()
    painted(tmp_path / "data", names)
    with pytest.raises(RetortError, match=message):
        built(planned("imagenet", tmp_path / "data", classes=[TENCH, BIRD]), tmp_path / "out")


def test_class_that_is_not_imagenets_is_refused_at_planning():
    with pytest.raises(RetortError, match=r"n99999999 is not among ImageNet-1K's 1,000 wnids; .*kind: folder"):
        planned("imagenet", Path("nowhere"), classes=[TENCH, "n99999999"])


# ---------------------------------------------------------------- looking at the images


def test_header_check_finds_foreign_files_at_once_and_leaves_damage_to_the_reader(tmp_path):
    root = by_wnid(tmp_path / "data")
    whole = root / f"train/{TENCH}/{TENCH}_0.JPEG"
    Image.effect_noise((64, 64), 50).save(whole)
    whole.write_bytes(whole.read_bytes()[:-300])
    assert len(built(planned("imagenet", root, classes=THREE), tmp_path / "out")) == len(EXPECTED)
    with pytest.raises(RetortError, match=rf"1 of 13 images cannot be read:\n.*{TENCH}_0\.JPEG: .*truncated"):
        built(planned("imagenet", root, classes=THREE, check="decode"), tmp_path / "out")
    whole.write_text("no image")
    with pytest.raises(RetortError, match=rf"1 of 13 images cannot be read:\n.*{TENCH}_0\.JPEG: cannot identify"):
        built(planned("imagenet", root, classes=THREE), tmp_path / "out")


def test_header_and_whole_image_agree_about_the_size_of_turned_images(tmp_path):
    root = by_wnid(tmp_path / "data")
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.new("RGB", (12, 5)).save(root / f"train/{TENCH}/{TENCH}_0.JPEG", exif=exif)
    sizes = [
        built(planned("imagenet", root, classes=THREE, check=check), tmp_path / check)[["width", "height"]]
        for check in ("header", "decode")
    ]
    pd.testing.assert_frame_equal(*sizes)
    assert sizes[0].values.tolist()[3] == [5, 12]


def test_names_of_the_config_replace_those_of_the_data_set(tmp_path):
    plan = planned("imagenet", by_wnid(tmp_path / "data"), classes=THREE, class_names={BIRD: "crane (bird)"})
    built(plan, tmp_path / "out")
    assert [name for _, _, name in classes_of(tmp_path / "out")] == ["crane", "tench, Tinca tinca", "crane (bird)"]


# ---------------------------------------------------------------- every kind

WITHOUT_DATA = {
    "folder": {"classes": ["cat", "dog"]},
    "imagenet": {"subset": "imagewoof"},
    "cifar10": {},
    "fashion-mnist": {},
    "cifar100": {"classes": ["bee", "apple"]},
    "tiny-imagenet": {},
    "places365": {"classes": ["arch", "airfield"]},
    "huggingface": {"classes": ["cat", "dog"]},
}


@pytest.mark.parametrize("kind", WITHOUT_DATA)
def test_every_kind_is_planned_without_the_data_and_then_says_that_they_are_missing(tmp_path, kind):
    plan = planned(kind, tmp_path / "nowhere", **WITHOUT_DATA[kind])
    assert plan.contents_stamp() is None
    if not plan.dataset.written_out:
        with pytest.raises(RetortError, match=r"nowhere"):
            built(plan, tmp_path / "out")


@pytest.mark.parametrize("odd", ["../x", "/etc", "a/b", "..", ".", "", ".hidden", "a\\b", "x" * 300])
@pytest.mark.parametrize("kind", ["folder", "places365", "huggingface", "tiny-imagenet"])
def test_class_ids_that_are_paths_never_become_one(tmp_path, kind, odd):
    with pytest.raises(RetortError, match=r"dataset\.classes: .* cannot name a folder"):
        planned(kind, tmp_path / "nowhere", classes=["cat", odd])


@pytest.mark.parametrize("odd", ["../x", "/etc", "cat"])
def test_stages_refuse_such_ids_themselves(tmp_path, odd):
    for_listing = {"kind": "folder", "path": str(tmp_path), "val_fraction": 0.2}
    with pytest.raises(RetortError, match=r"cannot name a folder|named twice"):
        list_images(for_listing, None, ["cat", odd])
    with pytest.raises(RetortError, match=r"cannot name a folder|named twice"):
        write_images({"kind": "cifar10", "path": str(tmp_path)}, tmp_path / "out", ["cat", odd])


@pytest.mark.parametrize("most", [1, 3, 100])
def test_fewer_images_are_taken_of_each_class_by_their_own_draw(tmp_path, most):
    counts = {"train/cat": 9, "train/dog": 5, "val/cat": 4, "val/dog": 2}
    root = painted(tmp_path / "data", [f"{folder}/{i}.png" for folder, n in counts.items() for i in range(n)])
    every = built(planned("folder", root), tmp_path / "all")["path"].tolist()
    images = built(planned("folder", root, max_per_class=most), tmp_path / "some")
    assert images.groupby(["split", "class_id"]).size().tolist() == [min(n, most) for n in counts.values()]
    assert images["path"].tolist() == [path for path in every if path in set(images["path"])]
    paint(root / "train/cat/new.png", 1)
    after = set(built(planned("folder", root, max_per_class=most), tmp_path / "after")["path"])
    assert len(after - set(images["path"])) <= 1  # the new image at most, in the place of another
    assert all(path.endswith("new.png") for path in after - set(images["path"]))
