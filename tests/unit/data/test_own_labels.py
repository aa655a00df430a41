"""Soft labels that a set brings: each form, in our order of the classes whatever theirs is, and what is refused."""

import json
import re

import numpy as np
import pytest
from tests.helpers.foreign_sets import EACH, IDS, archive, folders, rows, take, tensors
from tests.helpers.forms_of_sets import listed, ours
from tests.helpers.labelled_sets import (
    COUNT,
    LOGITS,
    PROBABILITIES,
    file_with,
    parquet_with,
    probabilities,
    saved,
    taken_labels,
    written,
)

from retort.base.errors import RetortError
from retort.data.elsewhere.label_files import label_stamp, names_at
from retort.data.elsewhere.own_labels import NOTHING

SORTED = [IDS.index(name) for name in sorted(IDS)]  # our label of each column of a loader that sorts folders
OTHER = [2, 0, 1]  # our label of each number of a set that counts classes otherwise
THEIR_LABELS = np.array([OTHER.index(label) for label in rows()[1]])
THEIR_LIST = "".join(f"{IDS[label]}\n" for label in OTHER)
WIDE = np.concatenate([LOGITS, np.full((COUNT, 1), -9.0)], axis=1)


def beside(folder, name="soft_labels.npz", **labels):
    saved(folder / name, **labels)
    return folder


def numbered_by_list(home):
    path = file_with(home / "x" / "x.npz", THEIR_LABELS, logits=LOGITS[:, OTHER])
    listed(path.parent, "class_map.txt", THEIR_LIST)
    return path


def in_the_order_of_a_manifest(home):
    """A folder whose labels stand in the order that its manifest.csv has."""
    folder, order = folders(home / "x", IDS), np.random.default_rng(3).permutation(COUNT)
    files = [f"{IDS[row // EACH]}/{row % EACH}.png" for row in order]
    listed(folder, "manifest.csv", "file,source\n" + "".join(f"{file},x\n" for file in files))
    listed(folder, "class_map.txt", THEIR_LIST)
    return beside(folder, "soft_labels.safetensors", logits=LOGITS[order][:, OTHER])


def by_name(values):
    """Rows of the set in the order of the names of class folders, where ours is another."""
    return values.reshape(len(IDS), EACH, -1)[SORTED].reshape(COUNT, -1)


FORMS = {
    "npz with logits": lambda home: file_with(home / "x.npz", logits=LOGITS),
    "safetensors with probabilities": lambda home: file_with(home / "x.safetensors", probabilities=PROBABILITIES),
    "pt with soft_labels in half precision": lambda home: file_with(
        home / "x.pt", soft_labels=PROBABILITIES.astype(np.float16)
    ),
    "a tensor file that counts classes by a list of its own": numbered_by_list,
    "Parquet": lambda home: parquet_with(home / "x.parquet", IDS, soft_labels=PROBABILITIES),
    "Parquet whose class labels have another order": lambda home: parquet_with(
        home / "x/train.parquet", sorted(IDS), logits=LOGITS[:, SORTED]
    ),
    "Parquet with classes that are not ours": lambda home: parquet_with(
        home / "x.parquet", ["n00", *IDS], logits=WIDE[:, [3, 0, 1, 2]]
    ),
    "class folders with a list of the columns": lambda home: listed(
        beside(folders(home / "x", IDS), logits=by_name(LOGITS)[:, OTHER]), "class_map.txt", THEIR_LIST
    ),
    "class folders by readable name with a list of ids": lambda home: listed(
        beside(
            folders(home / "x", ["cassette player", "tench", "english springer"]),
            logits=LOGITS[:, OTHER][[*range(3), *range(6, 9), *range(3, 6)]],
        ),
        "class_to_idx.json",
        json.dumps({IDS[label]: number for number, label in enumerate(OTHER)}),
    ),
    "folders by number, which are the columns": lambda home: beside(
        folders(home / "x", ["0", "1", "2"]), "soft_labels.pt", logits=LOGITS
    ),
    "a folder with its labels in the order of manifest.csv": in_the_order_of_a_manifest,
    "a packed set of ours": lambda home: beside(ours(home) / "zip", soft_labels=PROBABILITIES),
    "a zip archive with a list beside it": lambda home: (
        listed(archive(home / "x" / "x.zip").parent, "class_map.txt", THEIR_LIST)
        and beside(home / "x", "x.soft_labels.npz", logits=by_name(LOGITS)[:, OTHER]) / "x.zip"
    ),
}


@pytest.mark.parametrize("form", FORMS)
def test_each_image_has_its_own_label_in_our_order_of_the_classes(form, tmp_path):
    found, record = taken_labels(tmp_path, FORMS[form](tmp_path))
    assert found.dtype == np.float32
    np.testing.assert_allclose(probabilities(found), PROBABILITIES, atol=1e-3 if "half" in form else 1e-4)
    assert record["agree"] == 1
    assert record["kind"] == ("probabilities" if "prob" in record["name"] or "soft" in record["name"] else "logits")


def test_logits_are_taken_as_they_are_and_probabilities_as_their_logarithms(tmp_path):
    found, _ = taken_labels(tmp_path, file_with(tmp_path / "x.npz", logits=LOGITS))
    np.testing.assert_array_equal(found, LOGITS.astype(np.float32))
    found, _ = taken_labels(tmp_path, file_with(tmp_path / "x.npz", probabilities=np.eye(3)[np.arange(COUNT) // EACH]))
    np.testing.assert_array_equal(found, np.where(np.eye(3)[np.arange(COUNT) // EACH] == 1, 0, NOTHING))


def test_labels_are_those_of_the_images_that_are_taken(tmp_path):
    found, record = taken_labels(tmp_path, file_with(tmp_path / "x.npz", logits=LOGITS), ipc=2)
    np.testing.assert_array_equal(found, LOGITS.astype(np.float32).reshape(3, EACH, 3)[:, :2].reshape(6, 3))
    assert record["images"] == 6


def test_numbers_that_the_config_names_choose_the_columns_and_what_is_left_out_is_said(tmp_path, capsys):
    wide = np.concatenate([LOGITS[:, OTHER], LOGITS.max(axis=1, keepdims=True)], axis=1)
    path = file_with(tmp_path / "x.npz", THEIR_LABELS, logits=wide)
    given = {str(number): IDS[label] for number, label in enumerate(OTHER)}
    found, record = taken_labels(tmp_path, path, classes=given)
    np.testing.assert_allclose(probabilities(found), PROBABILITIES, rtol=1e-5)
    shares = probabilities(wide)
    assert record["left_out"] == pytest.approx(shares[:, 3].mean(), rel=1e-6)
    assert f"columns of other classes had {record['left_out']:.1%} of the probability" in capsys.readouterr().out


def test_stated_kinds_settle_what_names_do_not(tmp_path):
    both = file_with(tmp_path / "x.npz", logits=LOGITS * 2, probabilities=PROBABILITIES)
    found, _ = taken_labels(tmp_path, both, stated="probabilities")
    np.testing.assert_allclose(probabilities(found), PROBABILITIES, rtol=1e-5)
    found, _ = taken_labels(tmp_path, both, stated="logits")
    np.testing.assert_array_equal(found, (LOGITS * 2).astype(np.float32))
    found, _ = taken_labels(tmp_path, file_with(tmp_path / "x.npz", soft_labels=LOGITS), stated="logits")
    np.testing.assert_array_equal(found, LOGITS.astype(np.float32))
    found, _ = taken_labels(tmp_path, file_with(tmp_path / "x.npz", logits=PROBABILITIES), stated="logits")
    np.testing.assert_array_equal(found, PROBABILITIES.astype(np.float32))


def test_labels_that_contradict_the_classes_are_warned_of(tmp_path, capsys):
    _, record = taken_labels(tmp_path, file_with(tmp_path / "x.npz", logits=LOGITS[:, [1, 2, 0]]))
    assert record["agree"] == 0
    assert "warning: these labels contradict the classes of most images" in capsys.readouterr().out
    taken_labels(tmp_path, file_with(tmp_path / "x.npz", logits=LOGITS))
    assert "warning" not in capsys.readouterr().out


def test_record_says_where_labels_are_from(tmp_path):
    folder = FORMS["class folders with a list of the columns"](tmp_path)
    _, record = taken_labels(tmp_path, folder)
    assert record["source"] == str(folder)
    assert record["file"] == str(folder / "soft_labels.npz")
    assert record["columns"] == f"3, in the order of {folder / 'class_map.txt'}"
    before = record["sha256"]
    beside(folder, logits=by_name(LOGITS * 2)[:, OTHER])
    assert re.fullmatch("[0-9a-f]{64}", before)
    assert taken_labels(tmp_path, folder)[1]["sha256"] != before


BAD = {
    "no labels in a file": (lambda home: tensors(home / "x.npz", rows()[0]), "x.npz has no soft labels; save them as"),
    "no labels beside folders": (
        lambda home: folders(home / "x", IDS),
        r"brings no soft labels; save them as soft_labels.npz in it",
    ),
    "no labels beside an archive": (
        lambda home: archive(home / "x.zip"),
        "brings no soft labels; save them as x.soft_labels.npz beside it",
    ),
    "two files of labels": (
        lambda home: beside(beside(folders(home / "x", IDS), logits=LOGITS), "soft_labels.pt", logits=LOGITS),
        "has soft_labels.npz, soft_labels.pt; keep one of them",
    ),
    "a label too few": (
        lambda home: beside(folders(home / "x", IDS), logits=LOGITS[1:]),
        r"logits are float64 of shape \(8, 3\); \(9, classes\) numbers are needed",
    ),
    "labels of several views": (
        lambda home: beside(folders(home / "x", IDS), logits=np.stack([LOGITS, LOGITS], axis=1)),
        r"of shape \(9, 2, 3\); \(9, classes\)",
    ),
    "text in Parquet": (
        lambda home: parquet_with(home / "x.parquet", IDS, logits=np.full(COUNT, "a")),
        "logits are object of shape",
    ),
    "a ragged column": (
        lambda home: parquet_with(home / "x.parquet", IDS, logits=np.array([[1.0], *[[1.0, 2.0]] * 8], object)),
        "does not have 1 numbers|does not have 2 numbers",
    ),
    "not finite": (
        lambda home: file_with(home / "x.npz", logits=np.where(np.arange(COUNT)[:, None] == 0, np.nan, LOGITS)),
        r"soft label of row \d is not finite",
    ),
    "probabilities that do not sum to 1": (
        lambda home: file_with(home / "x.npz", probabilities=PROBABILITIES * 1.01),
        r"probabilities are no probabilities \(row 0 sums to 1.01\); state soft_labels: logits",
    ),
    "soft_labels that are logits": (
        lambda home: file_with(home / "x.npz", soft_labels=LOGITS),
        r"soft_labels are no probabilities \(row \d has -\d.*\); call them logits, or state soft_labels: logits",
    ),
    "logits that are probabilities": (
        lambda home: file_with(home / "x.npz", logits=PROBABILITIES),
        "logits look like probabilities",
    ),
    "two sets of labels": (
        lambda home: file_with(home / "x.npz", logits=LOGITS, probabilities=PROBABILITIES),
        "has logits, probabilities, so it is not clear which are its soft labels; state soft_labels",
    ),
    "a column too many": (
        lambda home: file_with(home / "x.npz", logits=WIDE),
        "has 4 columns of soft labels, and the data set has 3 classes; put classes.csv",
    ),
    "a list of other classes": (
        lambda home: listed(beside(folders(home / "x", IDS), logits=WIDE), "class_map.txt", THEIR_LIST),
        "has 4 columns of soft labels, and .*class_map.txt has 3 classes",
    ),
    "a class without a column": (
        lambda home: listed(beside(folders(home / "x", IDS), logits=LOGITS), "class_map.txt", "n03\nn01\nn09\n"),
        "has no column of soft labels for n02",
    ),
    "two columns for one class": (
        lambda home: listed(
            beside(folders(home / "x", ["cassette player", "tench", "english springer"]), logits=WIDE),
            "class_map.txt",
            "n01\nn02\ncassette player\nn03\n",
        ),
        "has two columns of soft labels, 2 and 3, for n03",
    ),
    "folders whose order nothing says": (
        lambda home: beside(folders(home / "x", IDS), logits=LOGITS),
        r"nothing says the order of the classes: column 0 may be 'n01', as folders are sorted, or the data set's class",
    ),
    "labels beside soft labels that are of other images": (
        lambda home: beside(folders(home / "x", ["0", "1", "2"]), logits=LOGITS, labels=np.arange(COUNT)[::-1] // EACH),
        r"has 0/0.png in the class of column 0, and .*soft_labels.npz has the label 2 for it",
    ),
    "a manifest of other images": (
        lambda home: listed(
            beside(folders(home / "x", ["0", "1", "2"]), logits=LOGITS), "manifest.csv", "file\n0/0.png\n"
        ),
        "its column file does not name each image of the set once",
    ),
    "probability of other classes alone": (
        lambda home: parquet_with(home / "x.parquet", ["n00", *IDS], probabilities=np.eye(4)[np.zeros(COUNT, int)]),
        "gives image 0 of n03 no probability of any class",
    ),
}


@pytest.mark.parametrize("form", BAD)
def test_what_cannot_be_told_is_refused_in_one_line(form, tmp_path):
    make, said = BAD[form]
    path = make(tmp_path)
    with pytest.raises(RetortError, match=said) as refused:
        taken_labels(tmp_path, path)
    assert "\n" not in str(refused.value)
    assert str(refused.value).startswith(f"methods.theirs.images: {path}")
    assert str(refused.value).count(f"images: {path} {path}") == 0


def test_the_card_of_the_set_says_that_it_brings_soft_labels_and_others_do_not(tmp_path):
    soft = written(tmp_path, take(tmp_path, file_with(tmp_path / "x.npz", logits=LOGITS)))
    assert "The set brings soft labels of its own (logits)" in (soft / "card.md").read_text()
    bare = written(tmp_path, take(tmp_path, tensors(tmp_path / "y.npz", rows()[0])))
    assert "soft labels" not in (bare / "card.md").read_text()


def test_a_set_that_changed_after_its_images_were_imported_is_refused(tmp_path):
    path = beside(folders(tmp_path / "x", ["0", "1", "2"]), logits=LOGITS)
    with pytest.raises(RetortError, match=r"holds other images than .* was made from"):
        taken_labels(tmp_path, path, between=lambda: (path / "1" / "0.png").rename(path / "1" / "7.png"))


def test_stamp_changes_with_the_labels_and_what_orders_them_and_not_with_the_images(tmp_path):
    folder = beside(folders(tmp_path / "x", IDS), logits=LOGITS)
    seen = [label_stamp(str(folder))]
    for name in ("class_map.txt", "manifest.csv"):
        listed(folder, name, "x")
        seen.append(label_stamp(str(folder)))
    beside(folder, logits=LOGITS[:, :2])
    seen.append(label_stamp(str(folder)))
    assert len(set(seen)) == 4
    (folder / "n01" / "1.png").write_bytes(b"other")
    assert label_stamp(str(folder)) == seen[-1]
    (folder / "soft_labels.npz").unlink()
    assert label_stamp(str(folder)) is None
    assert label_stamp(str(tmp_path / "nowhere")) is None


def test_names_are_known_before_a_job_reads_the_file(tmp_path):
    assert names_at(str(file_with(tmp_path / "x.npz", logits=LOGITS))) == ["logits"]
    assert names_at(str(file_with(tmp_path / "x.safetensors", soft_labels=LOGITS))) == ["soft_labels"]
    assert names_at(str(parquet_with(tmp_path / "x.parquet", IDS))) == []
    assert names_at(str(tensors(tmp_path / "y.npz", rows()[0]))) == []
    assert names_at(str(file_with(tmp_path / "x.pt", logits=LOGITS))) is None
