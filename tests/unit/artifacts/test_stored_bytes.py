"""Bytes of sets and of labels, against the files that hold them."""

from pathlib import Path

import pytest
from tests.helpers.birds import CLASSES, STEPS, label, make_home, save_set, train

from retort.artifacts.stored_bytes import image_bytes, label_bytes
from retort.evaluation.labels import Top

VIEWS = 8 * 4  # of STEPS
PLAN = 32 * (4 + 16 + 1 + 4) + 8 * 4 * 2  # rows, boxes, flips and partners of the views, and the cuts of the steps


@pytest.fixture(scope="module")
def home(tmp_path_factory) -> Path:
    return make_home(tmp_path_factory.mktemp("birds"))


def test_images_take_the_bytes_of_their_files_and_nothing_beside_them(home):
    pictures = list(home.glob("two/*/*.png"))
    assert len(pictures) == 6
    assert image_bytes(home / "two") == sum(picture.stat().st_size for picture in pictures) > 6 * 100
    assert image_bytes(home / "two") < sum(file.stat().st_size for file in home.glob("two/**/*") if file.is_file())


def test_an_archive_has_the_bytes_of_a_folder(home):
    save_set(home, "two", "packed", copy=True, store="zip")
    assert not list(home.glob("packed/*/*.png"))
    assert image_bytes(home / "packed") == image_bytes(home / "two")


def test_the_full_set_has_no_files(home):
    assert image_bytes(home / "full") is None


@pytest.mark.parametrize(
    ("kind", "top", "expected"),
    [
        ("static", None, 6 * 3 * 2),  # one label of three classes in half precision for each image
        ("static", Top(1, 4.0), 6 * (2 + 2 + 4)),  # the highest logit, its class, and what is left
        ("region", None, VIEWS * 3 * 2 + PLAN),
        ("region", Top(1, 4.0), VIEWS * (2 + 2 + 4) + PLAN),
    ],
)
def test_stored_labels_take_the_bytes_of_their_logits_and_of_their_views(home, tmp_path, kind, top, expected):
    views = STEPS if kind == "region" else None
    stored = label(home, "two", kind, views, tmp_path / "labels.safetensors", top=top)
    assert label_bytes(stored, home / "teacher") == expected
    header = int.from_bytes(stored.read_bytes()[:8], "little") + 8
    assert stored.stat().st_size == header + expected


def test_hard_labels_take_none_and_a_teacher_that_is_asked_takes_its_weights(home):
    assert label_bytes(None, None) == 0
    assert label_bytes(None, home / "teacher") == (home / "teacher" / "model.safetensors").stat().st_size > 10_000


@pytest.mark.parametrize("kind", ["hard", "static", "region", "online"])
def test_the_record_of_a_student_says_what_it_was_trained_on(home, kind):
    (record,) = train(home, kind)
    assert len(record["last"]["per_class"]) == len(CLASSES)
    stored = home / f"{kind}.safetensors" if kind in ("static", "region") else None
    assert record["image_bytes"] == image_bytes(home / "two")
    assert record["label_bytes"] == label_bytes(stored, None if kind == "hard" else home / "teacher")
