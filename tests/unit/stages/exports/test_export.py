"""Distilled sets in the hands of others: the libraries that people load images with, and the Parquet file."""

import csv
import json
import os
import re
import shlex
import shutil
import subprocess
from pathlib import Path

import datasets
import numpy as np
import pyarrow.parquet as pq
import pytest
from PIL import Image
from tests.helpers.exported_sets import (
    ABOUT,
    ALPHABETICAL,
    CLASSES,
    NAMES,
    OURS,
    SIDE,
    expected_logits,
    exported,
    grey,
    numbered,
    plan,
)
from tests.helpers.small_datasets import REST
from timm.data import create_dataset
from torchvision.datasets import ImageFolder

from retort.base.errors import RetortError
from retort.base.files import read_rows
from retort.stages.sets import export_set as export

# ---------------------------------------------------------------- loaders of a folder


def test_torchvision_numbers_folders_by_the_alphabet_until_it_is_told(home):
    folder = ImageFolder(home / "set")
    assert numbered(folder) == ALPHABETICAL
    order = {row["id"]: int(row["index"]) for row in csv.DictReader((home / "set" / "classes.csv").open())}
    folder.target_transform = lambda target: order[folder.classes[target]]
    assert numbered(folder) == OURS


def test_timm_numbers_folders_by_the_alphabet_until_it_is_told(home):
    assert numbered(create_dataset("", root=str(home / "set"))) == ALPHABETICAL
    told = create_dataset("", root=str(home / "set"), class_map=str(home / "set" / "class_map.txt"))
    assert numbered(told) == OURS


def test_timms_train_py_given_as_the_card_says_learns_from_one_folder_and_tests_on_another(home, tmp_path, monkeypatch):
    monkeypatch.chdir(home / "set")
    real = tmp_path / "real images"
    for i, class_id in enumerate(CLASSES):
        (real / class_id).mkdir(parents=True)
        Image.new("RGB", (SIDE, SIDE), (i * 40,) * 3).save(real / class_id / "held out.png")
    alone = {split: create_dataset("", root=".", split=split, class_map="class_map.txt") for split in ("train", "val")}
    assert numbered(alone["train"]) == numbered(alone["val"])  # what the card warns of
    (shell,) = re.findall(r"```sh\n(.*?)```", Path("card.md").read_text(), re.DOTALL)
    shell = shell.replace("realpath validation", f"realpath {shlex.quote(str(real))}")
    shell = shell.replace("python train.py", "printf '%s\\n'")
    surroundings = {"TMPDIR": str(tmp_path), "PATH": os.environ["PATH"]}
    done = subprocess.run(["bash", "-euc", shell], capture_output=True, text=True, check=True, env=surroundings)
    words = done.stdout.splitlines()
    given = dict(zip(words[::2], words[1::2], strict=True))
    assert Path(given["--class-map"]).is_absolute()
    assert given["--num-classes"] == str(len(CLASSES))
    where = {"root": given["--data-dir"], "class_map": given["--class-map"]}
    found = {part: create_dataset("", split=given[f"--{part}-split"], **where) for part in ("train", "val")}
    assert numbered(found["train"]) == OURS
    assert numbered(found["val"]) == [0, 1, 2]


def test_hugging_faces_image_folder_has_our_labels_and_the_names_of_classes(home, tmp_path):
    found = datasets.load_dataset("imagefolder", data_dir=str(home / "set"), split="train")
    assert numbered((row["image"], row["label"]) for row in found) == OURS
    assert {(row["label"], row["class_id"], row["class_name"]) for row in found} == {
        (i, c, name) for i, (c, name) in enumerate(zip(CLASSES, NAMES, strict=True))
    }
    bare = shutil.copytree(home / "set", tmp_path / "bare", ignore=shutil.ignore_patterns("metadata.csv"))
    by_folders = datasets.load_dataset("imagefolder", data_dir=str(bare), split="train")
    assert numbered((row["image"], row["label"]) for row in by_folders) == ALPHABETICAL


def test_what_the_card_tells_people_to_type_gives_our_labels(home, monkeypatch):
    monkeypatch.chdir(home / "set")
    code = re.search(r"```python\n(.*?)```", Path("card.md").read_text(), re.DOTALL)[1]
    named = {}
    first, timms, last = re.split(r"(?=\nfrom timm)|(?=\nfrom datasets)", code)
    exec(first, named)
    assert numbered(named["folder"]) == OURS
    exec(timms, named)
    assert numbered(named["dataset"]) == OURS
    exec(last, named)
    assert numbered((row["image"], row["label"]) for row in named["dataset"]) == OURS


def test_the_order_of_classes_stands_in_the_set(home):
    assert (home / "set" / "classes.csv").read_text() == (home / "classes.csv").read_text()
    assert (home / "set" / "class_map.txt").read_text() == "n03\nn01\nn02\n"
    rows = {row["file"]: row["class_index"] for row in read_rows(home / "set" / "manifest.csv")}
    assert {row["file_name"]: row["label"] for row in read_rows(home / "set" / "metadata.csv")} == rows


# ---------------------------------------------------------------- Parquet


def test_the_parquet_file_reads_back_as_images_labels_and_logits(home, tmp_path):
    path = exported(home, tmp_path / "train.parquet")
    found = datasets.load_dataset("parquet", data_files=str(path), split="train")
    assert isinstance(found.features["image"], datasets.Image)
    assert found.features["label"] == datasets.ClassLabel(names=CLASSES)
    assert [grey(row["image"]) for row in found] == list(range(6))
    assert found["label"][:] == OURS
    assert [found.features["label"].int2str(label) for label in OURS] == found["class_id"][:]
    assert found["class_name"][:] == [NAMES[label] for label in OURS]
    assert set(found["source"]) == {"generated"}
    logits = np.array(found.with_format("numpy")["logits"][:])
    np.testing.assert_allclose(logits, expected_logits(home), rtol=2e-3, atol=2e-3)
    assert found.features["logits"].length == len(CLASSES)
    assert len(set(logits.argmax(1))) > 1  # or an order of classes could not be told from another


def test_the_file_holds_the_bytes_of_the_pngs_and_says_what_it_is(home, tmp_path):
    table = pq.read_table(exported(home, tmp_path / "train.parquet"))
    for row in table["image"].to_pylist():
        assert row["bytes"] == (home / "set" / row["path"]).read_bytes()
    assert str(table.schema.field("logits").type) == "fixed_size_list<element: halffloat>[3]"
    assert json.loads(table.schema.metadata[b"retort"]) == ABOUT


def test_a_file_written_in_batches_is_the_same_file(home, tmp_path, monkeypatch):
    whole = pq.read_table(exported(home, tmp_path / "whole.parquet"))
    monkeypatch.setattr(export, "TOGETHER", 4)
    path = exported(home, tmp_path / "batches.parquet")
    assert pq.ParquetFile(path).num_row_groups == 2
    table = pq.read_table(path)
    assert table.drop_columns("logits").equals(whole.drop_columns("logits"))
    assert table.schema.equals(whole.schema, check_metadata=True)
    logits = [np.array(t["logits"].to_pylist(), np.float32) for t in (table, whole)]
    np.testing.assert_allclose(*logits, rtol=2e-3, atol=2e-3)


def test_without_a_teacher_there_are_no_soft_labels(home, tmp_path):
    path = exported(home, tmp_path / "train.parquet", teacher=False)
    found = datasets.load_dataset("parquet", data_files=str(path), split="train")
    assert "logits" not in found.features
    assert found["label"][:] == OURS


def test_a_missing_image_is_reported_and_leaves_no_file(home, tmp_path):
    hidden = (home / "set" / "n02" / "00001.png").rename(tmp_path / "hidden.png")
    try:
        with pytest.raises(RetortError, match=r"lacks n02/00001\.png \(1 missing\); delete it and run again"):
            exported(home, tmp_path / "out" / "train.parquet")
    finally:
        hidden.rename(home / "set" / "n02" / "00001.png")
    assert not (tmp_path / "out").exists()


# ---------------------------------------------------------------- what is exported


SOFT = {"views": {"steps": 1}, "optimizer": {"kind": "sgd", "lr": 1, "schedule": "constant"}}


def test_a_set_is_exported_with_the_teacher_of_its_first_soft_protocol():
    protocols = REST["protocols"] | {
        "plain": SOFT | {"labels": {"teacher": "small", "kind": "static"}},
        "views": SOFT | {"labels": {"teacher": "large", "kind": "region"}},
        "again": SOFT | {"labels": {"teacher": "large", "kind": "region"}, "temperature": 4.0},
        "online": SOFT | {"labels": {"teacher": "large", "kind": "online"}},
    }
    one = {"methods": ["random"], "students": ["resnet8"], "seeds": 1}
    asked = {1: ["hard", "plain", "views"], 2: ["again", "online", "plain"], 3: ["hard"], 4: ["online"]}
    found = plan(
        teachers={name: {"arch": "resnet8", "train": {"steps": 1}} for name in ("small", "large")},
        protocols=protocols,
        methods=REST["methods"] | {"full": {"select": "all"}},
        runs=[
            *({**one, "ipc": [n], "protocols": names} for n, names in asked.items()),
            one | {"methods": ["full"], "ipc": [1], "protocols": ["hard"]},
        ],
    )
    assert [found.labelling_teacher("random", str(n)) for n in asked] == ["small", "large", None, "large"]
    assert [found.view_label_owners("random", str(n)) for n in asked] == [["views"], ["views"], [], []]
    assert found.distilled_sets() == [{"method": "random", "ipc": str(n)} for n in asked]
