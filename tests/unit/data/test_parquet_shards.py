"""Data sets that come as the hub's Parquet shards."""

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from tests.helpers.hub_shards import KINDS, NAMES, TRAIN_ROWS, VAL_ROWS, encoded, exported, hub, shard
from tests.helpers.small_datasets import built, classes_of, planned

from retort.base.errors import RetortError
from retort.base.files import read_rows
from retort.data.imagenet import imagenet_names, subset_classes


@pytest.mark.parametrize("val", ["validation", "test"])
def test_shards_are_written_out_byte_for_byte_under_the_labels_names(tmp_path, val):
    plan = planned("huggingface", hub(tmp_path / "data", val))
    assert plan.classes == ["tench", "crane - bird", "crane"]
    folder = exported(plan, tmp_path / "images")
    expected = {
        f"train/{plan.classes[label]}/{row:08d}{KINDS[kind]}": content
        for row, ((content, label), kind) in enumerate(zip(TRAIN_ROWS, [*KINDS, "PNG"], strict=True))
    } | {f"val/{plan.classes[label]}/{row:08d}.png": content for row, (content, label) in enumerate(VAL_ROWS)}
    found = {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*") if p.is_file()}
    assert found == expected
    images = built(plan, tmp_path / "out", folder)
    assert len(images) == 11
    assert classes_of(tmp_path / "out")[1] == ("1", "crane - bird", "crane / bird")
    assert not list(tmp_path.rglob("evil*"))


def test_shards_without_a_validation_split_hold_some_images_out(tmp_path):
    plan = planned("huggingface", hub(tmp_path / "data", None))
    images = built(plan, tmp_path / "out", exported(plan, tmp_path / "images"))
    assert len(images) == 7
    assert set(images[images["split"] == "val"]["class_id"]) == set(plan.classes)


def test_imagenet_from_the_hub_takes_its_wnids_label_by_label(tmp_path):
    """The n-th label is the n-th of the sorted wnids, as on the hub."""
    names = [f"name {i}" for i in range(10)]
    plan = planned("huggingface", hub(tmp_path / "data", names=names), label_ids="imagenette")
    assert plan.classes[:2] == ["n01440764", "n02102040"]
    images = stored_ids(exported(plan, tmp_path / "images"))
    assert images == {f"train/{plan.classes[i]}" for i in range(10)} | {f"val/{plan.classes[i]}" for i in range(10)}
    with pytest.raises(RetortError, match=r"dataset\.label_ids: imagenet-100 has 100 classes, but .* 10"):
        planned("huggingface", tmp_path / "data", label_ids="imagenet-100")


WOOF = subset_classes("imagewoof")  # which the papers do not sort
LABELS = {
    "nothing": [f"name {i}" for i in range(10)],
    "a word": [imagenet_names()[wnid].split(", ")[0] for wnid in sorted(WOOF)],
    "a word, in another order": [imagenet_names()[wnid].split(", ")[-1].upper() for wnid in WOOF],
    "the wnid, in another order": list(reversed(WOOF)),
}


@pytest.mark.parametrize("told", LABELS)
def test_the_label_of_an_unsorted_subset_is_what_it_says_and_else_a_sorted_wnid(tmp_path, told):
    names = LABELS[told]
    plan = planned("huggingface", hub(tmp_path / "data", names=names), label_ids="imagewoof")
    assert plan.classes == list(WOOF)
    exported(plan, tmp_path / "images")
    wnids = {"a word, in another order": list(WOOF), "the wnid, in another order": names}.get(told, sorted(WOOF))
    rows = [(f"train/{wnids[label]}", f"{row:08d}") for row, (_, label) in enumerate(TRAIN_ROWS)]
    found = {(f"train/{p.parent.name}", p.stem) for p in (tmp_path / "images" / "train").glob("*/*")}
    assert found == set(rows)


@pytest.mark.parametrize(
    "names",
    [
        ["beagle", *(f"name {i}" for i in range(9))],
        ["n02096294", *(f"name {i}" for i in range(9))],
        ["n01440764", *(f"name {i}" for i in range(9))],
    ],
    ids=["another class", "another wnid", "a wnid of no class"],
)
def test_a_label_that_says_it_is_another_class_is_refused(tmp_path, names):
    with pytest.raises(RetortError, match=f"calls a label '{names[0]}', which is not {sorted(WOOF)[0]}"):
        planned("huggingface", hub(tmp_path / "data", names=names), label_ids="imagewoof")


@pytest.mark.parametrize("other", ["train-00000-of-00002-0123456789abcdef", "train-00000-of-00001", "train-new"])
def test_shards_of_two_versions_are_refused_by_name(tmp_path, other):
    plan = planned("huggingface", hub(tmp_path / "data"))
    shard(tmp_path / f"data/data/{other}.parquet", TRAIN_ROWS[:4], NAMES)
    with pytest.raises(RetortError, match=f"more than one version.*{other}"):
        exported(plan, tmp_path / "images")


def stored_ids(folder: Path) -> set[str]:
    return {str(p.relative_to(folder)) for p in folder.glob("*/*")}


def test_some_labels_in_another_order_are_still_the_same_images(tmp_path):
    plan = planned("huggingface", hub(tmp_path / "data"), classes=["crane", "tench"])
    folder = exported(plan, tmp_path / "images")
    assert {p.parent.name for p in folder.rglob("*.*")} == {"crane", "tench"}
    assert (folder / "val/crane/00000000.png").read_bytes() == VAL_ROWS[0][0]
    built(plan, tmp_path / "out", folder)
    assert [row["id"] for row in read_rows(tmp_path / "out/classes.csv")] == ["crane", "tench"]


def test_of_several_label_columns_one_must_be_named(tmp_path):
    root = hub(tmp_path / "data", coarse={"names": ["fish", "bird", "machine"], "_type": "ClassLabel"})
    with pytest.raises(RetortError, match=r"several label columns; set dataset\.label_column to one of label, coarse"):
        planned("huggingface", root)
    assert planned("huggingface", root, label_column="coarse").classes == ["fish", "bird", "machine"]
    with pytest.raises(RetortError, match=r"dataset\.label_column: .* no label column 'fine'; it has label, coarse"):
        planned("huggingface", root, label_column="fine")


def test_bytes_that_are_no_image_are_left_to_the_check_of_all_images(tmp_path):
    root = hub(tmp_path / "data")
    shard(root / "data/train-00001-of-00002.parquet", [(b"no image", 0), *TRAIN_ROWS[4:]])
    plan = planned("huggingface", root)
    with pytest.raises(RetortError, match=r"1 of 12 images cannot be read"):
        built(plan, tmp_path / "out", exported(plan, tmp_path / "images"))


def broken(name: str, rows: list, **keys):
    return lambda root: shard(root / "data" / name, rows, **keys)


LAST = "train-00001-of-00002.parquet"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda root: (root / "data" / LAST).unlink(), r"lacks train-00001-of-00002\.parquet; fetch the rest"),
        (broken(LAST, [(encoded(0, "PNG"), -1)]), rf"{LAST}, row 0: the label -1 is none of the 3 classes"),
        (broken(LAST, [(encoded(0, "PNG"), 0), (encoded(0, "PNG"), 3)]), rf"{LAST}, row 1: the label 3 is none"),
        (broken(LAST, [(encoded(0, "PNG"), None)]), rf"{LAST}, row 0: the label None is none"),
        (broken(LAST, [(b"", 0)]), rf"{LAST}, row 0: no bytes of an image"),
        (broken(LAST, [(None, 0)]), rf"{LAST}, row 0: no bytes of an image"),
        (broken(LAST, TRAIN_ROWS, names=NAMES[::-1]), rf"{LAST} has other columns or other names of labels"),
        (
            broken("validation-00000-of-00001.parquet", VAL_ROWS, names=[*NAMES, "x"]),
            r"validation.* other names of lab",
        ),
        (lambda root: (root / "data" / LAST).write_bytes(b"PAR1 no"), rf"{LAST} cannot be read as Parquet"),
    ],
)
def test_shards_that_do_not_fit_are_named(tmp_path, change, message):
    root = hub(tmp_path / "data")
    change(root)
    plan = planned("huggingface", root)
    with pytest.raises(RetortError, match=message):
        exported(plan, tmp_path / "images")
    assert not (tmp_path / "images").exists()


def test_shard_damaged_in_the_middle_is_named(tmp_path):
    root = hub(tmp_path / "data")
    path = root / "data" / LAST
    content = bytearray(path.read_bytes())
    content[8:60] = bytes(52)
    path.write_bytes(content)
    with pytest.raises(RetortError, match=rf"{LAST} is corrupt after row 0"):
        exported(planned("huggingface", root), tmp_path / "images")


@pytest.mark.parametrize(
    ("names", "message"),
    [
        (["cat", "cat", "dog"], r"names of the labels in .*: classes named twice: cat"),
        (["cat", "a/b", "a-b"], r"classes named twice: a-b"),
        (["cat", "..", "dog"], r"'\.\.' cannot name a folder"),
        (["cat", "", "dog"], r"'' cannot name a folder"),
        (["cat", "a\nb", "dog"], r"'a\\nb' cannot name a folder"),
    ],
)
def test_labels_whose_names_cannot_be_ids_are_refused(tmp_path, names, message):
    with pytest.raises(RetortError, match=message):
        planned("huggingface", hub(tmp_path / "data", names=names))


def test_folder_without_shards_or_without_their_description_is_refused(tmp_path):
    with pytest.raises(RetortError, match=r"has no Parquet shards of a train split.*format: imagefolder"):
        planned("huggingface", tmp_path)
    pq.write_table(pa.table({"image": ["x"], "label": [0]}), tmp_path / "train-00000-of-00001.parquet")
    with pytest.raises(RetortError, match=r"expected one column of images and one of class labels.*found images: none"):
        planned("huggingface", tmp_path)
    with pytest.raises(RetortError, match=r"the shards in .* have no class cow; they have tench"):
        planned("huggingface", hub(tmp_path / "more"), classes=["tench", "cow"])
