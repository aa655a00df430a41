"""Sets kept at a larger side than that of the views: 40 pixels a side, of which students see crops of 32."""

import io
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
import torch
from PIL import Image, ImageOps
from tests.helpers.birds import ADAMW, SGD
from tests.helpers.tiny_models import save_untrained_teacher
from torchvision.transforms.v2 import functional as TF

from retort.artifacts.kept_students import KeptStudents
from retort.artifacts.sets import read_set
from retort.base.errors import RetortError
from retort.base.files import read_json, write_rows
from retort.base.tensors import open_tensors, read_metadata, write_tensors
from retort.data.images import Fit, square
from retort.data.manifest import ClassEntry, write_manifest
from retort.evaluation.views import ViewSettings
from retort.models.classifiers import normalised
from retort.models.pixels import to_images
from retort.models.teacher import features_and_logits, load_teacher
from retort.stages.evaluation.measure_quality import measure_quality
from retort.stages.evaluation.relabel_set import relabel_set
from retort.stages.evaluation.train_students import Labelling, train_students
from retort.stages.pictures.draw_gallery import draw_gallery
from retort.stages.sets.export_set import export_set
from retort.stages.sets.write_set import write_set
from retort.stages.shared.describe_images import describe_images

SIDE, VIEW = 40, 32
CLASSES = ["wren", "robin", "finch"]
PHOTOS, CHOSEN = 4, (1, 3)  # of each class, and which of them a set has
VIEWS = ViewSettings(batch=4, crop=(0.3, 1.0), flip=True, cutmix=0.0, steps=4, side=VIEW)
MIXED = replace(VIEWS, cutmix=1.0)


@pytest.fixture(scope="module")
def home(tmp_path_factory) -> Path:
    """Photographs of 60 x 48 pixels, test images of 32, a teacher of 32, and the set "large" of 40; all of noise."""
    home, rng, rows = tmp_path_factory.mktemp("side"), np.random.default_rng(0), []
    for label, class_id in enumerate(CLASSES):
        for i in range(PHOTOS):
            path = home / f"{class_id}{i}.png"
            Image.fromarray(rng.integers(0, 256, (48, 60, 3), dtype=np.uint8)).save(path)
            about = {"split": "train", "class_id": class_id, "class_name": class_id, "class_index": label}
            rows.append(about | {"image_id": path.name, "path": str(path), "width": 60, "height": 48})
    entries = [ClassEntry(i, c, c) for i, c in enumerate(CLASSES)]
    write_manifest(pd.DataFrame(rows), entries, home / "manifest.parquet", home / "classes.csv")
    chosen = [
        {"class_index": label, "index": i, "row": PHOTOS * label + member, "image_id": f"{CLASSES[label]}{member}.png"}
        for label in range(3)
        for i, member in enumerate(CHOSEN)
    ]
    write_rows(home / "chosen.csv", list(chosen[0]), chosen)
    val = {"pixels": rng.integers(0, 256, (9, VIEW, VIEW, 3), dtype=np.uint8), "labels": np.repeat([0, 1, 2], 3)}
    write_tensors(home / "val.safetensors", val)
    save_untrained_teacher(home / "teacher", CLASSES, VIEW)
    save_set(home, "large", SIDE)
    return home


def save_set(home: Path, name: str, side: int, fit: str = "crop") -> Path:
    about = {"dataset": "birds", "method": name, "ipc": "2", "seed": 0, "side": side}
    about |= {"settings": {"select": "random", "fit": fit}, "data": {"kind": "folder"}, "models": {}, "teachers": {}}
    inputs = [str(home / "classes.csv"), str(home / "manifest.parquet"), [str(home / "chosen.csv")], [], [], []]
    write_set(*inputs, str(home / name), copy_images=True, origin=about, side=side, threads=1, fit=fit)
    return home / name


def photos(home: Path) -> list[Image.Image]:
    return [Image.open(home / f"{class_id}{member}.png") for class_id in CLASSES for member in CHOSEN]


def labels(home: Path, output: Path, views: ViewSettings | None = VIEWS) -> Path:
    kind = "region" if views else "static"
    paths = [str(home / "large"), None, *(str(home / name) for name in ("classes.csv", "teacher")), str(output)]
    relabel_set(*paths, kind=kind, views=views, top=None, dataset="birds", seed=0)
    return output


def train(home: Path, folder: Path, kind: str, views: ViewSettings, stored: Path | None = None) -> dict:
    paths = [str(home / "large"), None, *(str(home / name) for name in ("val.safetensors", "classes.csv"))]
    train_students(
        *paths,
        str(folder / "students"),
        KeptStudents(folder / "kept", kind, 60),
        seeds=[0],
        row={"method": "large", "ipc": "2", "protocol": kind},
        student="convnet3",
        views=views,
        recipe=SGD if kind == "hard" else ADAMW,
        labelling=Labelling(kind, 4.0, str(stored) if stored else None, None if kind == "hard" else f"{home}/teacher"),
        dataset="birds",
        seed=0,
    )
    return read_json(folder / "students" / "0.json")


# ---------------------------------------------------------------- the set itself


def test_selected_images_are_kept_at_the_sets_side(home):
    pixels, found = read_set(home / "large", None)
    assert found.tolist() == [0, 0, 1, 1, 2, 2]
    expected = [ImageOps.fit(photo, (SIDE, SIDE), Image.Resampling.BICUBIC) for photo in photos(home)]
    np.testing.assert_array_equal(pixels, expected)
    assert "6 images of 3 classes (wren, robin, finch), 40 pixels a side." in (home / "large" / "card.md").read_text()
    assert read_json(home / "large" / "provenance.json")["side"] == SIDE


def test_squashed_images_are_pillows_resize_of_the_whole_which_codas_code_calls(home):
    pixels, _ = read_set(save_set(home, "squashed", SIDE, "squash"), None)
    np.testing.assert_array_equal(pixels, [photo.resize((SIDE, SIDE)) for photo in photos(home)])
    assert not np.array_equal(pixels, read_set(home / "large", None)[0])
    assert "Squashed to squares." in (home / "squashed" / "card.md").read_text()


# ---------------------------------------------------------------- labels


def test_stored_labels_are_the_teachers_on_torchvisions_crops_of_the_sets_images(home, tmp_path):
    stored, teacher = open_tensors(labels(home, tmp_path / "labels")), load_teacher(home / "teacher", CLASSES)
    pixels, _ = read_set(home / "large", None)
    boxes = stored["boxes"] * SIDE
    np.testing.assert_allclose(boxes, boxes.round(), atol=1e-5)
    assert len(np.unique(boxes.round(), axis=0)) > 8
    crops = []
    for row, box, flip in zip(stored["rows"], boxes.round().astype(int).tolist(), stored["flips"], strict=True):
        crop = TF.resized_crop(to_images(pixels[row : row + 1]), *box, [VIEW, VIEW], antialias=True)
        crops.append(crop.flip(3) if flip else crop)
    with torch.no_grad():
        expected = teacher(normalised(torch.cat(crops)))
    np.testing.assert_allclose(stored["logits"], expected, rtol=2e-3, atol=2e-3)
    assert stored["logits"].astype(float).std() > 0.01


def test_static_labels_are_of_whole_images_which_the_teacher_shrinks_itself(home, tmp_path):
    stored, teacher = open_tensors(labels(home, tmp_path / "static", None)), load_teacher(home / "teacher", CLASSES)
    images = normalised(to_images(read_set(home / "large", None)[0]))
    with torch.no_grad():
        expected = teacher(TF.resize(images, [VIEW, VIEW], antialias=True))
    np.testing.assert_allclose(stored["logits"], expected, rtol=2e-3, atol=2e-3)


def test_labels_of_views_of_another_side_are_refused(home, tmp_path):
    stored = labels(home, tmp_path / "labels")
    assert '"side": 32' in read_metadata(stored)["views"]
    for other in (replace(VIEWS, side=None), replace(VIEWS, side=24)):
        with pytest.raises(RetortError, match="holds labels of other views"):
            train(home, tmp_path, "region", other, stored)


def test_labels_of_views_as_large_as_the_images_say_what_they_said_before_there_was_a_side(home, tmp_path):
    stored = labels(home, tmp_path / "labels", replace(VIEWS, side=None))
    assert "side" not in read_metadata(stored)["views"]


# ---------------------------------------------------------------- students


def test_stored_and_online_labels_train_the_same_students_on_crops(home, tmp_path):
    stored = labels(home, tmp_path / "labels", MIXED)
    region = train(home, tmp_path / "region", "region", MIXED, stored)
    online = train(home, tmp_path / "online", "online", MIXED)
    for point, twin in zip(region["curve"], online["curve"], strict=True):
        assert point == pytest.approx(twin, rel=1e-4)
    assert (region["test_images"], region["train_images"]) == (9, 6)


@pytest.mark.parametrize("kind", ["hard", "static"])
def test_students_of_the_views_side_learn_from_larger_images(home, tmp_path, kind):
    """A ConvNet's last layer depends on the side of its images, so one built for 40 pixels would fail on 32."""
    stored = labels(home, tmp_path / "static", None) if kind == "static" else None
    learnt = train(home, tmp_path, kind, MIXED, stored)
    assert learnt["steps"] == 4
    other = train(home, tmp_path / "other", kind, replace(MIXED, crop=(0.3, 0.5)), stored)
    assert other["curve"] != learnt["curve"]  # what is cropped counts


def test_students_cannot_be_tested_on_images_of_the_sets_side_by_mistake(home, tmp_path):
    with pytest.raises(RuntimeError):
        train(home, tmp_path, "hard", replace(MIXED, side=None))


# ---------------------------------------------------------------- exports, quality, pictures


def test_exports_have_the_sets_own_images_with_the_logits_of_whole_ones(home, tmp_path):
    inputs = [str(home / name) for name in ("large", "classes.csv", "teacher")]
    export_set(*inputs, str(tmp_path / "x"), str(tmp_path / "croissant.json"), origin={})
    rows = pq.read_table(tmp_path / "x").to_pylist()
    pixels = np.stack([np.asarray(Image.open(io.BytesIO(row["image"]["bytes"]))) for row in rows])
    np.testing.assert_array_equal(pixels, read_set(home / "large", None)[0])
    static = open_tensors(labels(home, tmp_path / "static", None))["logits"]
    np.testing.assert_array_equal(np.array([row["logits"] for row in rows], np.float16), static)


def test_quality_compares_a_large_set_with_real_images_at_the_teachers_side(home, tmp_path):
    files = {name: str(home / name) for name in ("manifest.parquet", "classes.csv", "teacher")}
    describe_images(*files.values(), str(tmp_path / "real"), class_indices=[0, 1, 2], side=VIEW, threads=1)
    shared = {"row": {}, "measures": ["fid"], "neighbors": 2, "dataset": "birds", "seed": 0, "threads": 1}
    features = ([str(tmp_path / "real")], files["classes.csv"], files["teacher"])
    measure_quality(str(home / "large"), *features, str(tmp_path / "quality"), side=VIEW, **shared)
    (row,) = read_json(tmp_path / "quality")
    teacher, shrunk = load_teacher(home / "teacher", CLASSES), Fit("crop")
    made = [square(Image.fromarray(image), VIEW, shrunk) for image in read_set(home / "large", None)[0]]
    made = features_and_logits(teacher, np.stack(made))[0].double()
    real = torch.from_numpy(
        np.concatenate([open_tensors(tmp_path / "real")[f"features/{c}"] for c in CLASSES])
    ).double()
    distance = (made.mean(0) - real.mean(0)).square().sum().item()
    product = torch.linalg.eigvals(torch.cov(made.T) @ torch.cov(real.T)).sqrt().real.sum().item()
    expected = distance + torch.cov(made.T).trace().item() + torch.cov(real.T).trace().item() - 2 * product
    assert row["value"] == pytest.approx(expected, rel=0.05, abs=1e-4)


def test_sets_of_several_sides_stand_in_one_picture(home, tmp_path):
    save_set(home, "small", VIEW)
    sets = [str(home / "large"), str(home / "small")]
    where = (str(home / "manifest.parquet"), str(home / "classes.csv"), str(tmp_path / "gallery.png"))
    draw_gallery(sets, ["large", "small"], *where, most_classes=3, side=VIEW)
    assert Image.open(tmp_path / "gallery.png").size[1] > 3 * 48  # a row for the real images and one for each set
