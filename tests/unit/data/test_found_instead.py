"""What is said of folders that are not laid out as they should be: what is there, and what would be right."""

import os
from pathlib import Path

import pytest
from PIL import Image
from tests.helpers.small_datasets import built, paint, painted, planned

from retort.base.errors import RetortError
from retort.data.images import image_size
from retort.data.layouts.folders import list_folder_classes, list_images
from retort.data.layouts.instead import unread
from retort.data.layouts.listing import folder_names, image_names
from retort.data.layouts.signatures import kind_of_file
from retort.data.stamps import stamp_of
from retort.stages.data.export_images import export_images

CONVERT = "files of .heic (HEIC; convert them to JPEG or PNG, for instance with pillow-heif)"
HEIC = b"\0\0\0\x18ftypheic\0\0\0\0"


def touched(root: Path, *names: str) -> Path:
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).touch()
    return root


def numbered(folder: str, count: int, ending: str = ".png") -> list[str]:
    return [f"{folder}/{i:02d}{ending}" for i in range(count)]


def listed(root: Path) -> list[str]:
    return [image.image_id for image in list_images(root, list_folder_classes(root, None), 0.2)]


def refused(run) -> str:
    with pytest.raises(RetortError) as caught:
        run()
    return str(caught.value)


def test_what_is_no_folder_is_not_taken_for_a_misspelt_one(tmp_path):
    os.mkfifo(tmp_path / "photos")
    said = refused(lambda: list_folder_classes(tmp_path / "photos", None))
    assert "photos (what is there is no folder); give the folder" in said
    assert "did you mean" not in said


# ---------------------------------------------------------------- in the folder of a class


def test_a_folder_of_images_inside_that_of_a_class_is_named_with_its_count(tmp_path):
    touched(tmp_path, *numbered("cat/images", 14), *numbered("dog/images", 14))
    assert "cat has 0 images, but a folder images with 14 images; at least two" in refused(lambda: listed(tmp_path))


@pytest.mark.parametrize(
    ("names", "words"),
    [
        (
            numbered("cat", 3, ".heic"),
            "3 files of .heic (HEIC; convert them to JPEG or PNG, for instance with pillow-heif)",
        ),
        (numbered("cat", 2, ".HEIC"), "2 files of .heic"),
        (numbered("cat", 2, ".jxl"), "2 files of .jxl (JPEG XL; convert them to JPEG or PNG)"),
        (numbered("cat", 4, ".NEF"), "4 files of .nef (camera raw; develop them)"),
        (["cat/photos.zip"], "1 files of .zip (an archive; unpack it)"),
        (numbered("cat", 5, ""), "5 files without an extension that do not begin as images"),
        ([*numbered("cat/a", 2), *numbered("cat/b/c", 1)], "a folder a with 2 images, a folder b without images"),
        (
            [*numbered("cat", 1, ".mp4"), *numbered("cat/raw", 3)],
            "1 files of .mp4 (videos; take frames from them), a",
        ),
    ],
)
@pytest.mark.parametrize("splits", [True, False], ids=["train and val", "one folder"])
def test_what_a_class_without_images_has_is_said(tmp_path, names, words, splits):
    places = [f"train/{name}" for name in names] if splits else names
    touched(
        tmp_path,
        *places,
        *numbered("train/dog" if splits else "dog", 3),
        *(["val/cat/x.png", "val/dog/x.png"] * splits),
    )
    assert f"images, but {words}" in refused(lambda: listed(tmp_path))


def test_what_other_programs_leave_is_no_class_and_no_image(tmp_path):
    touched(tmp_path, *numbered("cat", 3), *numbered("dog", 3))
    touched(
        tmp_path, "@eaDir/cat/00.png", "__MACOSX/cat/._00.png", "lost+found/x.png", ".DS_Store", "$RECYCLE.BIN/x.png"
    )
    touched(tmp_path, "cat/@eaDir/00.png/SYNOPHOTO_THUMB_M.jpg", "cat/Thumbs.db", "cat/desktop.ini", "cat/.DS_Store")
    assert folder_names(tmp_path) == ["cat", "dog"]
    assert len(listed(tmp_path)) == 6
    assert unread([str(tmp_path / "cat")]) == []


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF", "PPM", "AVIF"])
def test_images_without_an_extension_are_known_by_their_first_bytes(tmp_path, kind):
    for name in ("cat/n01440764_10026", "cat/b", "dog/c", "dog/d"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        Image.new("RGB", (8, 8)).save(tmp_path / name, kind)
    touched(tmp_path, "cat/README")
    (tmp_path / "cat/LICENSE").write_text("This is free.")
    assert image_names(tmp_path / "cat") == ["b", "n01440764_10026"]
    images = built(planned("folder", tmp_path), tmp_path / "out")
    assert sorted(images["image_id"]) == ["cat/b", "cat/n01440764_10026", "dog/c", "dog/d"]


def test_a_changed_image_without_an_extension_changes_the_stamp(tmp_path):
    paint(tmp_path / "cat" / "a.png", 1)
    (tmp_path / "cat" / "a.png").rename(tmp_path / "cat" / "a")
    before = stamp_of([tmp_path / "cat"], within=True)
    os.utime(tmp_path / "cat" / "a", (1, 1))
    assert stamp_of([tmp_path / "cat"], within=True) != before


def test_avif_is_read(tmp_path):
    Image.new("RGB", (9, 7), (200, 10, 10)).save(tmp_path / "a.avif")
    assert image_names(tmp_path) == ["a.avif"]
    assert image_size(tmp_path / "a.avif") == (9, 7)
    assert kind_of_file(tmp_path / "a.avif") == ".avif"


def test_heic_without_an_extension_is_counted_as_what_it_is(tmp_path):
    touched(tmp_path, *numbered("cat", 2))
    (tmp_path / "cat/photo").write_bytes(HEIC)
    assert unread([str(tmp_path / "cat")]) == [
        "files of .heic (HEIC; convert them to JPEG or PNG, for instance with pillow-heif): 1 in "
        + str(tmp_path / "cat")
    ]


def test_what_is_left_out_is_counted_by_class_in_the_log(tmp_path, capsys):
    painted(tmp_path / "data", [*numbered("cat", 3), *numbered("dog", 3), *numbered("dog/more", 2)])
    touched(tmp_path / "data", *numbered("cat", 4, ".heic"), *numbered("dog", 1, ".heic"), "cat/notes.txt")
    built(planned("folder", tmp_path / "data"), tmp_path / "out")
    said = capsys.readouterr().out
    cat, dog = tmp_path / "data/cat", tmp_path / "data/dog"
    assert f"{CONVERT}: 4 in {cat}, 1 in {dog}" in said
    assert f"files of .txt: 1 in {cat}\n" in said
    assert f"images in folders called more, since only those directly in a class's folder are read: 2 in {dog}" in said


# ---------------------------------------------------------------- splits and levels


@pytest.mark.parametrize(
    ("train", "val"),
    [("Train", "Val"), ("TRAIN", "TEST"), ("training", "validation"), ("train", "Valid"), ("Train", "val")],
)
def test_folders_that_look_like_splits_are_named(tmp_path, train, val):
    for split in (train, val):
        touched(tmp_path, *numbered(f"{split}/cat", 3), *numbered(f"{split}/dog", 3))
    assert f"{train} and {val} look like splits; call them train and val" in refused(lambda: listed(tmp_path))


def test_one_folder_that_looks_like_a_split_is_named(tmp_path):
    touched(tmp_path, *numbered("Train/cat", 3), *numbered("Train/dog", 3))
    assert "Train looks like a split; call it train" in refused(lambda: listed(tmp_path))


def test_classes_may_still_be_called_like_splits(tmp_path):
    touched(tmp_path, *numbered("Train", 3), *numbered("Bus", 3), *numbered("test", 3))
    assert list_folder_classes(tmp_path, None) == ["Bus", "Train", "test"]


def test_classes_one_level_deeper_are_found_and_named(tmp_path):
    touched(tmp_path, *numbered("photos/cat", 3), *numbered("photos/dog", 3), "__MACOSX/x.png", "readme.txt")
    said = refused(lambda: listed(tmp_path))
    assert f"photos in it has 2 (cat, dog): give dataset.path: {tmp_path}/photos" in said


def test_a_folder_of_one_class_points_at_the_one_above(tmp_path):
    touched(tmp_path, *numbered("cat", 14), *numbered("dog", 3))
    said = refused(lambda: listed(tmp_path / "cat"))
    assert f"it holds 14 images itself: if it is one class of 2, give dataset.path: {tmp_path}" in said


def test_a_training_split_given_as_the_data_set_is_said(tmp_path, capsys):
    for split in ("train", "val"):
        painted(tmp_path, [*numbered(f"{split}/cat", 3), *numbered(f"{split}/dog", 3)])
    built(planned("folder", tmp_path / "train"), tmp_path / "out")
    said = capsys.readouterr().out
    assert f"warning: {tmp_path}/val beside {tmp_path}/train is not read; for these splits give dataset.path" in said
    built(planned("folder", tmp_path), tmp_path / "out")
    assert "is not read" not in capsys.readouterr().out


@pytest.mark.parametrize(
    ("path", "words"),
    [
        ("Photo", "(did you mean {root}/photos?)"),
        ("photos.zip", "(it is an archive; unpack it)"),
        ("notes.txt", "(it is a file)"),
        ("fotos/of/mine", "(did you mean {root}/photos?)"),
        ("wholly other", "wholly other; give"),
    ],
)
def test_a_path_that_is_nearly_right_is_answered_with_the_one_that_is(tmp_path, path, words):
    touched(tmp_path, "photos/cat/a.png", "photos.zip", "notes.txt")
    assert words.format(root=tmp_path) in refused(lambda: list_folder_classes(tmp_path / path, None))
    assert words.format(root=tmp_path) in refused(lambda: list_images(tmp_path / path, ["cat", "dog"], 0.2))


@pytest.mark.parametrize(
    ("path", "words"),
    [
        (".", "give dataset.path: {root}/ILSVRC/Data/CLS-LOC, which holds train"),
        ("ILSVRC", "give dataset.path: {root}/ILSVRC/Data/CLS-LOC, which holds train"),
        ("ILSVRC/Data/CLS-LOC/train", "give dataset.path: {root}/ILSVRC/Data/CLS-LOC, which holds train"),
    ],
)
def test_imagenet_one_level_too_high_or_low_is_found(tmp_path, path, words):
    wnids = ["n01440764", "n02012849"]
    painted(tmp_path, [f"ILSVRC/Data/CLS-LOC/train/{wnid}/a.JPEG" for wnid in wnids])
    plan = planned("imagenet", tmp_path / path, classes=wnids)
    assert words.format(root=tmp_path) in refused(lambda: built(plan, tmp_path / "out"))


def test_imagenet_whose_train_is_written_otherwise_is_told_how(tmp_path):
    painted(tmp_path, ["Train/n01440764/a.JPEG", "Train/n02012849/a.JPEG"])
    plan = planned("imagenet", tmp_path, classes=["n01440764", "n02012849"])
    assert f"{tmp_path} has Train: call it train" in refused(lambda: built(plan, tmp_path / "out"))


# ---------------------------------------------------------------- one image in both splits


def test_images_of_both_splits_are_said_with_a_count_for_each_class(tmp_path, capsys):
    names = [*numbered("train/cat", 5), *numbered("train/dog", 5), *numbered("val/cat", 4), *numbered("val/dog", 4)]
    root = painted(tmp_path / "data", names)
    built(planned("folder", root), tmp_path / "out")
    assert "training images as well" not in capsys.readouterr().out
    for copy, of in {"val/cat/00": "train/cat/03", "val/cat/01": "train/cat/03", "val/dog/02": "train/cat/01"}.items():
        (root / f"{copy}.png").write_bytes((root / f"{of}.png").read_bytes())
    (root / "train/dog/04.png").write_bytes((root / "train/dog/00.png").read_bytes())  # twice in one split
    built(planned("folder", root), tmp_path / "out", None)
    said = capsys.readouterr().out
    assert "warning: 3 validation images are training images as well, byte for byte (2 of cat, 1 of dog)" in said
    assert f"{root}/val/cat/00.png, which is {root}/train/cat/03.png" in said


def test_held_out_copies_in_one_folder_are_said_too_and_pixels_of_other_files_are_not(tmp_path, capsys):
    root = painted(tmp_path / "data", [*numbered("cat", 8), *numbered("dog", 8)])
    for i in range(1, 8):
        (root / f"cat/{i:02d}.png").write_bytes((root / "cat/00.png").read_bytes())
    built(planned("folder", root), tmp_path / "out")
    assert "2 validation images are training images as well, byte for byte (2 of cat)" in capsys.readouterr().out


def test_files_that_differ_in_one_byte_at_their_end_are_two_images(tmp_path, capsys):
    root = painted(
        tmp_path / "data", [*numbered("train/cat", 1), *numbered("train/dog", 1), "val/cat/x.png", "val/dog/x.png"]
    )
    content = (root / "train/cat/00.png").read_bytes() + b"x" * 9000
    (root / "train/cat/00.png").write_bytes(content)
    (root / "val/cat/x.png").write_bytes(content[:-1] + b"y")
    built(planned("folder", root), tmp_path / "out")
    assert "training images as well" not in capsys.readouterr().out
    (root / "val/cat/x.png").write_bytes(content)
    built(planned("folder", root), tmp_path / "out")
    assert "1 validation images are training images as well" in capsys.readouterr().out


def test_places_and_archives_at_another_place_are_found(tmp_path):
    painted(tmp_path, [f"places/train/{c}/a.jpg" for c in ("airfield", "bar")])
    plan = planned("places365", tmp_path, classes=["airfield", "bar"])
    assert f"give dataset.path: {tmp_path}/places, which holds train" in refused(lambda: built(plan, tmp_path / "out"))
    touched(tmp_path, "archives/cifar-10-python.tar.gz")
    plan = planned("cifar10", tmp_path / "archives" / "cifar10-python.tar.gz")
    near = f"(did you mean {tmp_path}/archives/cifar-10-python.tar.gz?)"
    assert near in refused(lambda: export_images(str(tmp_path / "images"), plan.dataset.layout(), plan.classes))
