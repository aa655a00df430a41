"""Parquet shards that lie otherwise than the hub's, or whose labels and splits are described otherwise."""

import json
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from tests.helpers.hub_shards import TRAIN_ROWS, VAL_ROWS, encoded, exported, shard, stored
from tests.helpers.small_datasets import built, classes_of, planned

from retort.base.errors import RetortError

TEXTS = ["cat", "dog", "ant / bee"]


def plain(path: Path, labels: list, val: bool = False, described: bool = True, **more: list) -> None:
    """A shard whose labels are values of a column and no numbers of classes; `more` are columns of images."""
    path.parent.mkdir(parents=True, exist_ok=True)
    kind = pa.struct([("bytes", pa.binary()), ("path", pa.string())])
    first = 100 if val else 0
    images = [{"bytes": encoded(first + i, "PNG"), "path": None} for i in range(len(labels))]
    columns = {"image": pa.array(images, kind), "label": pa.array(labels)}
    columns |= {name: pa.array([{"bytes": b"mask", "path": None}] * len(labels), kind) for name in more}
    features = {"image": {"_type": "Image"}, "label": {"dtype": "string", "_type": "Value"}}
    features |= {name: {"_type": "Image"} for name in more}
    about = {"huggingface": json.dumps({"info": {"features": features}})} if described else {}
    pq.write_table(pa.table(columns).replace_schema_metadata(about), path)


def moved(root: Path, into: str, name: str = "{split}-00000-of-00001.parquet") -> Path:
    """Shards as the hub lays them out for configurations: a folder deeper."""
    for split, rows in (("train", TRAIN_ROWS), ("test", VAL_ROWS)):
        shard(root / into / name.format(split=split), rows)
    return root


@pytest.mark.parametrize(
    ("into", "name"),
    [
        ("plain_text", "{split}-00000-of-00001.parquet"),
        ("default", "{split}/0000.parquet"),
        ("fine labels", "{split}.parquet"),
        ("data", "{split}/0000.parquet"),
    ],
)
def test_the_one_folder_of_a_configuration_is_looked_into_and_named(tmp_path, capsys, into, name):
    plan = planned("huggingface", moved(tmp_path / "copy", into, name))
    assert plan.classes == ["tench", "crane - bird", "crane"]
    assert plan.contents_stamp()
    folder = exported(plan, tmp_path / "images")
    assert len(list(folder.rglob("*.*"))) == len(TRAIN_ROWS) + len(VAL_ROWS)
    assert (f"the shards lie in {tmp_path}/copy/{into}" in capsys.readouterr().out) == (into != "data")


def test_of_several_configurations_one_must_be_named(tmp_path):
    moved(moved(tmp_path, "en"), "fr")
    with pytest.raises(RetortError, match=r"holds several configurations of a data set; name one: .*/en, .*/fr"):
        planned("huggingface", tmp_path)
    assert planned("huggingface", tmp_path / "fr").classes == ["tench", "crane - bird", "crane"]


@pytest.mark.parametrize(
    ("made", "said"),
    [
        ("train/data-00000-of-00001.arrow", "Arrow files of save_to_disk; write the splits with to_parquet"),
        ("snapshots/0123abc/data/train-00000-of-00001.parquet", "the snapshots of the hub's cache"),
        ("default/partial-train/0000.parquet", "partial-train, a part of the split"),
        ("train/00000.tar", "tar files of WebDataset"),
    ],
)
def test_what_there_is_in_the_place_of_shards_is_said(tmp_path, made, said):
    (tmp_path / made).parent.mkdir(parents=True)
    (tmp_path / made).touch()
    with pytest.raises(RetortError, match=f"has no Parquet shards of a train split.*; it has {said}"):
        planned("huggingface", tmp_path)


@pytest.mark.parametrize("described", [True, False])
def test_labels_of_text_are_the_classes_once_their_column_is_named(tmp_path, described):
    plain(tmp_path / "hub/train-00000-of-00001.parquet", ["dog", "cat", "ant / bee", "cat"], described=described)
    plain(tmp_path / "hub/test-00000-of-00001.parquet", TEXTS, val=True, described=described)
    with pytest.raises(RetortError, match=r"found labels: none; set dataset\.label_column to the one of label that"):
        planned("huggingface", tmp_path / "hub")
    plan = planned("huggingface", tmp_path / "hub", label_column="label")
    assert plan.classes == ["ant - bee", "cat", "dog"]
    folder = exported(plan, tmp_path / "images")
    assert stored_names(folder / "train") == {"dog/00000000", "cat/00000001", "ant - bee/00000002", "cat/00000003"}
    assert stored_names(folder / "val") == {"cat/00000000", "dog/00000001", "ant - bee/00000002"}
    built(plan, tmp_path / "out", folder)
    assert classes_of(tmp_path / "out")[0] == ("0", "ant - bee", "ant / bee")


def stored_names(folder: Path) -> set[str]:
    return {f"{p.parent.name}/{p.stem}" for p in folder.glob("*/*")}


def test_whole_numbers_without_names_are_classes_in_the_order_of_the_numbers(tmp_path):
    plain(tmp_path / "hub/train.parquet", [10, 9, 2, 2, 10, 9])
    plan = planned("huggingface", tmp_path / "hub", label_column="label")
    assert plan.classes == ["2", "9", "10"]
    folder = exported(plan, tmp_path / "images")
    assert stored_names(folder) == {f"{c}/{i:08d}" for i, c in enumerate([10, 9, 2, 2, 10, 9])}


def test_a_text_that_only_the_held_out_images_have_is_refused(tmp_path):
    plain(tmp_path / "hub/train.parquet", ["cat", "dog", "cat"])
    plain(tmp_path / "hub/test.parquet", ["cat", "cow"], val=True)
    plan = planned("huggingface", tmp_path / "hub", label_column="label")
    with pytest.raises(
        RetortError, match=r"test\.parquet, row 1: the label cow is none of the 2 classes, which no train"
    ):
        exported(plan, tmp_path / "images")


def test_a_column_of_other_texts_is_no_column_of_classes(tmp_path, monkeypatch):
    monkeypatch.setattr("retort.data.layouts.huggingface.MOST_TEXTS", 3)
    plain(tmp_path / "train.parquet", ["a caption", "another", "a third", "a fourth"])
    with pytest.raises(RetortError, match=r"more than 3 different values in 'label', which are no classes"):
        planned("huggingface", tmp_path, label_column="label")


def test_of_images_and_masks_one_column_must_be_named(tmp_path):
    plain(tmp_path / "hub/train.parquet", ["cat", "dog", "cat", "dog"], mask=[])
    with pytest.raises(RetortError, match=r"several image columns; set dataset\.image_column to one of image, mask"):
        planned("huggingface", tmp_path / "hub", label_column="label")
    with pytest.raises(RetortError, match=r"no image column 'masks', did you mean 'mask'\?; it has image, mask"):
        planned("huggingface", tmp_path / "hub", label_column="label", image_column="masks")
    plan = planned("huggingface", tmp_path / "hub", label_column="label", image_column="image")
    assert len(stored(exported(plan, tmp_path / "images"))) == 4


def withheld(root: Path) -> Path:
    shard(root / "train.parquet", TRAIN_ROWS)
    shard(root / "test.parquet", [(content, -1) for content, _ in VAL_ROWS])
    return root


def test_withheld_labels_of_a_split_are_said_with_the_way_out(tmp_path):
    plan = planned("huggingface", withheld(tmp_path / "hub"))
    with pytest.raises(RetortError, match=r"row 0: the label -1 .*withheld; give dataset\.val_split another .* none"):
        exported(plan, tmp_path / "images")


def test_a_split_is_left_out_or_taken_by_name(tmp_path):
    root = withheld(tmp_path / "hub")
    plan = planned("huggingface", root, val_split="none")
    images = built(plan, tmp_path / "out", exported(plan, tmp_path / "images"))
    assert images.groupby("split").size().to_dict() == {"train": 4, "val": 3}
    shard(root / "extra.parquet", VAL_ROWS)
    plan = planned("huggingface", root, val_split="extra")
    folder = exported(plan, tmp_path / "others")
    assert len(list((folder / "val").glob("*/*"))) == len(VAL_ROWS)
    with pytest.raises(RetortError, match=r"has no split extras, did you mean 'extra'\?; it has extra, test, train"):
        planned("huggingface", root, val_split="extras")


def test_a_split_of_folders_is_left_out_or_taken_by_name(tmp_path):
    folders = {"train": 6, "test": 2, "held": 3}
    for split, count in folders.items():
        for path in (tmp_path / "hub" / split / c / f"{i}.png" for c in ("cat", "dog") for i in range(count)):
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(encoded(1, "PNG"))
    sizes = {}
    for name in (None, "held", "none"):
        plan = planned("huggingface", tmp_path / "hub", format="imagefolder", val_split=name)
        sizes[name] = built(plan, tmp_path / f"{name}").groupby("split").size().to_dict()
    assert sizes == {
        None: {"train": 12, "val": 4},
        "held": {"train": 12, "val": 6},
        "none": {"train": 10, "val": 2},
    }
    with pytest.raises(RetortError, match=r"dataset\.val_split: .*hub has no folder other"):
        planned("huggingface", tmp_path / "hub", format="imagefolder", val_split="other")
