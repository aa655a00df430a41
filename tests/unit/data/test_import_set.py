"""A set that was made elsewhere: every form gives the same pixels under the right labels, or one clear refusal."""

import json
import re
import shutil

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from safetensors.torch import save_file as save_torch
from tests.helpers.foreign_sets import (
    IDS,
    LABELS,
    NAMES,
    PIXELS,
    SIDE,
    archive,
    class_table,
    folders,
    is_the_set,
    parquet,
    png,
    rows,
    take,
    taken,
    tensors,
)
from tests.helpers.small_datasets import REST

from retort.artifacts.imported import imported_images, origin_of
from retort.base.errors import RetortError
from retort.config.load import load_config
from retort.data.elsewhere.forms import set_stamp
from retort.data.elsewhere.ranges import IMAGENET
from retort.models.classifiers import IMAGENET_MEAN, IMAGENET_STD
from retort.plan.imports import stamp_of_import
from retort.plan.least import needs_of
from retort.plan.plan import Plan

MEAN, STD = (np.array(IMAGENET[key]) for key in ("mean", "std"))
CIFAR = {"mean": [0.4914, 0.4822, 0.4465], "std": [0.2470, 0.2435, 0.2616]}
THEIRS = ["x1", "x2", "x3"]


def unit(images: np.ndarray) -> np.ndarray:
    return images.astype(np.float32) / 255


def first(images: np.ndarray) -> np.ndarray:
    """Channels first."""
    return images.transpose(0, 3, 1, 2)


def listed(folder, name: str, text: str):
    (folder / name).write_text(text)
    return folder


def ours(home):
    """A set that this workflow wrote, as a folder or packed."""
    from tests.unit.stages.test_export import plan

    from retort.stages.sets.write_set import write_set

    out, table = take(home, folders(home / "first", IDS)), class_table(home)
    about = plan().provenance_of("random") | {"ipc": "3"}
    arguments = (str(table), "", [], [], [], [])
    for store in ("folder", "zip"):
        settings = {"copy_images": True, "origin": about, "side": SIDE, "threads": 1, "store": store}
        write_set(*arguments, str(home / store), imported=str(out), **settings)
    shutil.rmtree(out)
    return home


def exported(home):
    from retort.stages.sets.export_set import export_set

    set_, table = ours(home) / "folder", class_table(home)
    (home / "export").mkdir()
    export_set(str(set_), str(table), None, str(home / "export/train.parquet"), str(home / "export/c.json"), origin={})
    return home / "export"


def shards(home):
    """Two, of which each has the labels of its rows; another split lies beside them."""
    images, labels = rows()
    for i, part in enumerate(np.array_split(np.arange(len(labels)), 2)):
        table = pa.table({"image": [png(images[row]) for row in part], "label": labels[part]})
        (home / "data").mkdir(exist_ok=True)
        pq.write_table(table, home / f"data/train-{i:05d}-of-00002.parquet")
    pq.write_table(table.slice(0, 1), home / "data/test-00000-of-00001.parquet")
    return home


NUMBERS = ["1", "2", "0"]  # of our classes, as a list of theirs counts them


FORMS = {
    "folders by id": lambda home: folders(home / "x", IDS),
    "folders by readable name": lambda home: folders(
        home / "x", ["cassette_player", "Tinca tinca", "english springer"]
    ),
    "folders by number": lambda home: folders(home / "x", ["0", "1", "2"]),
    "folders by padded number": lambda home: folders(home / "x", ["000", "001", "002"]),
    "folders by number with class_map.txt": lambda home: listed(
        folders(home / "x", NUMBERS), "class_map.txt", "n02\nn03\nn01\n"
    ),
    "folders by number with class_to_idx.json": lambda home: listed(
        folders(home / "x", NUMBERS), "class_to_idx.json", json.dumps({"n03": 1, "n02": 0, "n01": 2})
    ),
    "folders by number with classes.csv": lambda home: listed(
        folders(home / "x", NUMBERS), "classes.csv", "index,id,name\n2,n01,c\n0,n02,a\n1,n03,b\n"
    ),
    "a zip archive": lambda home: archive(home / "x.zip"),
    "a zip archive with a folder around it": lambda home: archive(home / "x.zip", "some/set/"),
    "a folder of ours": lambda home: ours(home) / "folder",
    "a packed set of ours": lambda home: ours(home) / "zip",
    "our export": exported,
    "Parquet with numbers": lambda home: parquet(home / "x.parquet", rows()[1].tolist(), plain=True),
    "Parquet with names of classes in another order": lambda home: parquet(
        home / "x/train.parquet", [sorted(IDS).index(IDS[label]) for label in rows()[1]], sorted(IDS)
    ),
    "Parquet with text": lambda home: parquet(home / "x.parquet", [NAMES[label] for label in rows()[1]]),
    "Parquet in shards": shards,
    "safetensors of bytes": lambda home: tensors(home / "x.safetensors", rows()[0]),
    "safetensors of bytes, channels first": lambda home: tensors(home / "x.safetensors", first(rows()[0])),
    "safetensors of half precision": lambda home: tensors(home / "x.safetensors", unit(rows()[0]).astype(np.float16)),
    "npz from 0 to 1": lambda home: tensors(home / "x.npz", first(unit(rows()[0]))),
    "npz from -1 to 1": lambda home: tensors(home / "x.npz", unit(rows()[0]) * 2 - 1),
    "npz of bytes as whole numbers": lambda home: tensors(home / "x.npz", rows()[0].astype(np.int64)),
    "pt normalised as ImageNet": lambda home: tensors(home / "x.pt", first((unit(rows()[0]) - MEAN) / STD)),
    "numbers that a list beside the file names": lambda home: (
        listed(
            tensors(home / "x/x.npz", rows()[0], np.array([1, 2, 0])[rows()[1]]).parent,
            "class_map.txt",
            "n02\nn03\nn01\n",
        )
        / "x.npz"
    ),
}


@pytest.mark.parametrize("form", FORMS)
def test_every_form_gives_the_same_pixels_under_the_right_labels(form, tmp_path):
    path = FORMS[form](tmp_path)
    is_the_set(take(tmp_path, path))
    is_the_set(take(tmp_path, path, ipc=2), each=2)


def test_what_torch_saved_as_a_pair_or_as_dc_saves_it_is_read(tmp_path):
    pair = [torch.from_numpy(array) for array in rows()]
    for content in (pair, tuple(pair), {"data": [pair], "accs_all_exps": {"x": [0.5]}}):
        torch.save(content, tmp_path / "x.pt")
        is_the_set(take(tmp_path, tmp_path / "x.pt"))
    torch.save({"data": [pair, pair]}, tmp_path / "x.pt")
    with pytest.raises(RetortError, match="holds 2 sets under 'data'; save one"):
        take(tmp_path, tmp_path / "x.pt")


def test_a_pickle_with_code_is_not_run(tmp_path):
    torch.save({"images": torch.zeros(1), "labels": np.random.default_rng(0)}, tmp_path / "x.pt")
    with pytest.raises(RetortError, match="code in it is not run"):
        take(tmp_path, tmp_path / "x.pt")


# ---------------------------------------------------------------- classes


def test_a_mapping_decides_and_leaves_out_what_it_does_not_name(tmp_path, capsys):
    root = folders(tmp_path / "x", ["a", "b", "c"])
    (root / "spare").mkdir()
    (root / "spare" / "0.png").write_bytes(png(PIXELS[0, 0]))
    with pytest.raises(RetortError, match="has classes that the data set does not have: a, b, c, spare"):
        take(tmp_path, root)
    is_the_set(take(tmp_path, root, classes=dict(zip("abc", IDS, strict=True))))
    assert "left out: spare" in capsys.readouterr().out


def test_a_mapping_of_numbers_reorders_labels(tmp_path):
    path = tensors(tmp_path / "x.npz", rows()[0], np.array([2, 7, 5])[rows()[1]])
    with pytest.raises(RetortError, match=r"has labels 5, 7, and the data set's are 0 to 2"):
        take(tmp_path, path)
    is_the_set(take(tmp_path, path, classes={"2": "n03", "007": "n01", "5": "n02"}))


def test_names_that_may_be_ids_or_numbers_are_refused_until_somebody_says_which(tmp_path):
    table = class_table(tmp_path, ["1", "0", "2"], ["one", "zero", "two"])
    root = folders(tmp_path / "x", ["1", "0", "2"])
    with pytest.raises(RetortError, match="calls a class '0', which is 0 among class ids and 1 among numbers"):
        take(tmp_path, root, table=table)
    is_the_set(take(tmp_path, root, table=table, classes={"1": "1", "0": "0", "2": "2"}))
    listed(root, "classes.csv", "index,id\n0,1\n1,0\n2,2\n")
    is_the_set(take(tmp_path, root, table=table))


def test_a_name_that_two_classes_have_is_refused(tmp_path):
    table = class_table(tmp_path, IDS, ["crane", "crane", "dog"])
    with pytest.raises(RetortError, match="calls a class 'Crane', which is the name of n03, n01"):
        take(tmp_path, folders(tmp_path / "x", ["crane", "Crane", "dog"]), table=table)


def test_two_names_for_one_class_are_refused(tmp_path):
    with pytest.raises(RetortError, match="has Tinca tinca, tench for the one class n01"):
        take(tmp_path, folders(tmp_path / "x", ["tench", "Tinca tinca", "cassette player"]))


def test_a_misspelt_name_is_never_read_by_its_number(tmp_path):
    root = listed(folders(tmp_path / "x", ["n03", "n01", "n2"]), "class_map.txt", "n03\nn01\nn2\n")
    with pytest.raises(RetortError, match=r"does not have, read as class ids: n2, did you mean 'n02'\?"):
        take(tmp_path, root)


def test_classes_that_no_name_is_of_are_refused_even_where_their_own_list_has_as_many(tmp_path):
    """A set of another data set may have as many classes, and its numbers would fit."""
    root = listed(folders(tmp_path / "x", THEIRS), "class_map.txt", "x1\nx2\nx3\n")
    with pytest.raises(RetortError, match=r"has classes that the data set does not have: x1, x2, x3; name each"):
        take(tmp_path, root)
    is_the_set(take(tmp_path, root, classes={"x1": "n03", "x2": "n01", "x3": "n02"}))


def test_two_classes_of_one_name_in_parquet_go_by_their_numbers(tmp_path):
    path = parquet(tmp_path / "x.parquet", rows()[1].tolist(), ["crane", "crane", "dog"])
    is_the_set(take(tmp_path, path))
    is_the_set(take(tmp_path, path, classes={"0": "n03", "1": "n01", "2": "n02"}))


def test_numbers_from_0_to_1_are_no_bytes_even_if_the_config_says_so(tmp_path):
    with pytest.raises(RetortError, match="images are numbers from 0 to 1, which are no bytes from 0 to 255; state"):
        take(tmp_path, tensors(tmp_path / "x.npz", unit(rows()[0])), values="bytes")


# ---------------------------------------------------------------- how many


def test_classes_with_too_few_images_are_all_named_or_taken_as_they_are(tmp_path, capsys):
    root = folders(tmp_path / "x", IDS)
    for name in ("n03/2.png", "n01/1.png", "n01/2.png"):
        (root / name).unlink()
    with pytest.raises(RetortError, match=r"for ipc 3: n03 has 2, n01 has 1; ask for ipc 1 in runs, or .* ipc: any"):
        take(tmp_path, root)
    out = take(tmp_path, root, fewer=True)
    assert list(taken(out)) == [(0, 0), (0, 1), (1, 0), (2, 0), (2, 1), (2, 2)]
    assert "classes with fewer than 3 images: 2; the smallest has 1" in capsys.readouterr().out


def test_a_class_without_images_is_refused_even_where_fewer_are_allowed(tmp_path):
    root = folders(tmp_path / "x", IDS)
    shutil.rmtree(root / "n01")
    (root / "n02" / "0.png").rename(root / "n02" / "0.txt")
    with pytest.raises(RetortError, match=r"has no image of 1 of the 3 classes: n01"):
        take(tmp_path, root, ipc=2, fewer=True)


def test_more_images_than_asked_for_are_said_and_the_first_in_name_order_are_taken(tmp_path, capsys):
    out = take(tmp_path, folders(tmp_path / "x", IDS), ipc=1)
    is_the_set(out, each=1)
    assert "of up to 3 images of a class, the first 1 is taken" in capsys.readouterr().out
    assert (origin_of(out)["held"], origin_of(out)["taken"]) == (9, 3)


# ---------------------------------------------------------------- sizes


@pytest.mark.parametrize("fit", ["crop", "squash"])
def test_images_of_another_size_are_resized_as_the_fit_says_and_that_is_said(tmp_path, capsys, fit):
    root = folders(tmp_path / "x", IDS)
    stripes = np.zeros((SIDE, 3 * SIDE, 3), np.uint8)
    stripes[:, SIDE : 2 * SIDE] = 255  # the centre is white
    (root / "n01" / "0.png").write_bytes(png(stripes))
    out = take(tmp_path, root, fit=fit)
    found = taken(out)[1, 0]
    assert found.shape == (SIDE, SIDE, 3)
    assert (found == 255).all() == (fit == "crop")
    assert f"1 image of 24 x 8 pixels, resized to {SIDE} x {SIDE}" in capsys.readouterr().out
    assert origin_of(out)["resized"] == 1
    np.testing.assert_array_equal(taken(out)[1, 1], PIXELS[1, 1])


# ---------------------------------------------------------------- values


def test_constants_of_imagenet_are_those_of_the_classifiers():
    assert (tuple(IMAGENET["mean"]), tuple(IMAGENET["std"])) == (IMAGENET_MEAN, IMAGENET_STD)


@pytest.mark.parametrize(
    ("values", "images"),
    [
        ("unit", unit(rows()[0])),
        ("signed", unit(rows()[0]) * 2 - 1),
        ("bytes", rows()[0].astype(np.float32)),
        ("imagenet", (unit(rows()[0]) - MEAN) / STD),
        (CIFAR, (unit(rows()[0]) - CIFAR["mean"]) / CIFAR["std"]),
    ],
)
def test_stated_values_are_read_as_they_are_stated(tmp_path, values, images):
    is_the_set(take(tmp_path, tensors(tmp_path / "x.npz", images), values=values))


def test_what_lies_beyond_black_and_white_is_cut_off_and_said(tmp_path, capsys):
    images = unit(rows()[0])
    images[0, 0, 0] = 1.5
    out = take(tmp_path, tensors(tmp_path / "x.npz", images), values="unit")
    assert (taken(out)[int(rows()[1][0]), 0][0, 0] == 255).all()
    assert "of the values lie beyond black or white and are cut off" in capsys.readouterr().out


def test_one_channel_is_grey(tmp_path):
    images, labels = rows()
    out = take(tmp_path, tensors(tmp_path / "x.npz", images[..., :1]))
    np.testing.assert_array_equal(taken(out)[int(labels[0]), 0], images[0][..., :1].repeat(3, axis=2))


def refused_values(images: np.ndarray) -> np.ndarray:
    return (unit(images) - CIFAR["mean"]) / CIFAR["std"]


BAD = {
    "values that may mean several things": (
        lambda home: tensors(home / "x.npz", refused_values(rows()[0])),
        r"images are numbers from -1.989 to 2.126, which do not show what they mean; state values: unit",
    ),
    "pale values below 0": (
        lambda home: tensors(home / "x.npz", unit(rows()[0]) - 0.5),
        "from -0.5 to 0.5, which do not show",
    ),
    "whole numbers beyond bytes": (
        lambda home: tensors(home / "x.npz", rows()[0].astype(np.int32) + 300),
        "whole numbers from 300 to 555; bytes from 0 to 255",
    ),
    "values that are not finite": (
        lambda home: tensors(home / "x.npz", np.where(LABELS[:, None, None, None] == 1, np.nan, unit(rows()[0]))),
        "image 3 has values that are not finite",
    ),
    "an unclear shape": (
        lambda home: tensors(home / "x.npz", rows()[0][..., :2]),
        r"shape \(9, 8, 8, 2\), and no axis",
    ),
    "two shapes at once": (
        lambda home: tensors(home / "x.npz", np.zeros((9, 3, 8, 3), np.uint8)),
        "both ends may be channels",
    ),
    "soft labels for labels": (
        lambda home: tensors(home / "x.npz", rows()[0], np.eye(3, dtype=np.float32)[rows()[1]]),
        r"labels are float32 of shape \(9, 3\); one whole number for each image",
    ),
    "fewer labels than images": (
        lambda home: tensors(home / "x.npz", rows()[0], rows()[1][:4]),
        "has 9 images and 4 labels",
    ),
    "a label below 0": (lambda home: tensors(home / "x.npz", rows()[0], rows()[1] - 1), "has labels -1"),
    "no labels": (
        lambda home: (np.savez(home / "x.npz", images=rows()[0], targets=rows()[1]), home / "x.npz")[1],
        "has no tensor labels; it has images, targets",
    ),
    "objects": (
        lambda home: (np.savez(home / "x.npz", images=np.array([{}, {}]), labels=rows()[1]), home / "x.npz")[1],
        "images holds Python objects, which are not read",
    ),
    "bfloat16": (
        lambda home: (
            save_torch({"images": torch.zeros(9, 3, 8, 8, dtype=torch.bfloat16)}, home / "x.safetensors"),
            home / "x.safetensors",
        )[1],
        "images is of BF16; save it as uint8",
    ),
    "a file cut off": (
        lambda home: cut_off(tensors(home / "x.safetensors", rows()[0])),
        "is no whole safetensors file",
    ),
    "an archive cut off": (lambda home: cut_off(tensors(home / "x.npz", rows()[0])), "is no whole .npz file"),
    "a zip archive cut off": (lambda home: cut_off(archive(home / "x.zip")), "is no whole zip archive"),
    "Parquet cut off": (
        lambda home: cut_off(parquet(home / "x.parquet", rows()[1].tolist())),
        "cannot be read as Parquet",
    ),
    "Parquet without a column of labels": (
        lambda home: parquet(home / "x.parquet", rows()[1].tolist(), column="digit"),
        "set label_column to the one of digit",
    ),
    "a shard that is missing": (
        lambda home: (shards(home) / "data/train-00001-of-00002.parquet").unlink() or home,
        "lacks train-00001-of-00002.parquet",
    ),
    "an image that is none": (
        lambda home: listed(folders(home / "x", IDS) / "n01", "1.png", "no image").parent,
        "n01/1.png: cannot identify image file",
    ),
    "folders of folders": (
        lambda home: folders(home / "x/train", IDS).parent,
        r"holds folders with folders .*\(train\)",
    ),
    "nothing": (lambda home: (home / "x").mkdir() or home / "x", "holds nothing, and no images in folders by class"),
    "another kind of file": (lambda home: listed(home, "x.tar", "") / "x.tar", "is no set of images by its name"),
    "two forms at once": (
        lambda home: parquet(folders(home / "x", IDS) / "train.parquet", rows()[1].tolist()).parent,
        "which are sets of two forms",
    ),
    "a list of classes that is none": (
        lambda home: listed(folders(home / "x", IDS), "classes.csv", "a,b\n1,2\n"),
        "columns index and id are needed",
    ),
}


def cut_off(path):
    path.write_bytes(path.read_bytes()[:-40])
    return path


@pytest.mark.parametrize("case", BAD)
def test_what_cannot_be_read_is_refused_in_one_line_that_names_the_method(tmp_path, case):
    make, words = BAD[case]
    path = make(tmp_path)
    with pytest.raises(RetortError, match=words) as error:
        take(tmp_path, path)
    assert "\n" not in str(error.value)
    if "cannot identify" not in words:
        assert str(error.value).startswith(f"methods.theirs.images: {path}")
    assert not (tmp_path / "imported").exists()


def test_stated_values_that_are_far_off_are_refused(tmp_path):
    path = tensors(tmp_path / "x.npz", rows()[0].astype(np.float32))
    with pytest.raises(RetortError, match=r"of the values lie outside what values says \(unit\); found 0 to 255"):
        take(tmp_path, path, values="unit")
    with pytest.raises(RetortError, match="which are bytes; leave values out"):
        take(tmp_path, tensors(tmp_path / "y.npz", rows()[0]), values="signed")


# ---------------------------------------------------------------- records


def test_what_is_recorded_names_each_image_and_the_bytes_that_were_given(tmp_path):
    path = tensors(tmp_path / "x.npz", rows()[0])
    out = take(tmp_path, path, ipc=1)
    origin = origin_of(out)
    assert {key: origin[key] for key in ("source", "stamp", "form", "held", "taken", "resized")} == {
        **{"source": str(path), "stamp": "now", "form": "tensor file", "held": 9, "taken": 3, "resized": 0},
    }
    assert origin["classes"] == {"0": "n03", "1": "n01", "2": "n02"}
    before = origin["sha256"]
    assert re.fullmatch("[0-9a-f]{64}", before)
    where = [row["source"] for row, _ in imported_images(out)]
    assert where == [f"x.npz, image {np.flatnonzero(rows()[1] == label)[0]}" for label in range(3)]
    tensors(path, 255 - rows()[0])
    assert origin_of(take(tmp_path, path, ipc=1))["sha256"] != before


def test_checksum_of_folders_is_of_the_images_that_are_taken(tmp_path):
    root = folders(tmp_path / "x", IDS)
    before = origin_of(take(tmp_path, root, ipc=2))["sha256"]
    (root / "n01" / "2.png").write_bytes(png(PIXELS[0, 0]))
    assert origin_of(take(tmp_path, root, ipc=2))["sha256"] == before
    (root / "n01" / "1.png").write_bytes(png(PIXELS[0, 0]))
    assert origin_of(take(tmp_path, root, ipc=2))["sha256"] != before


STAMPED = {
    "folders by number with class_map.txt": ["2/1.png", "class_map.txt"],
    "a packed set of ours": ["images.zip", "classes.csv"],
    "our export": ["train.parquet"],
    "Parquet in shards": ["data/train-00001-of-00002.parquet"],
    "npz from 0 to 1": [""],
}


@pytest.mark.parametrize("form", STAMPED)
def test_the_stamp_changes_with_each_file_of_a_set_and_with_nothing_else(form, tmp_path):
    path = FORMS[form](tmp_path)
    (tmp_path / "unrelated.txt").write_text("x")
    before = set_stamp(str(path))
    assert before == set_stamp(str(path))
    for name in STAMPED[form]:
        file = path / name if name else path
        file.write_bytes(file.read_bytes() + b"\n")
        assert set_stamp(str(path)) != before, file
        before = set_stamp(str(path))
    assert set_stamp(str(tmp_path / "elsewhere")) is None


def test_a_folder_gains_a_class_and_the_stamp_changes(tmp_path):
    root = folders(tmp_path / "x", IDS)
    before = set_stamp(str(root))
    (root / "more").mkdir()
    assert set_stamp(str(root)) != before


def test_one_channel_that_was_normalised_as_three_is_refused(tmp_path):
    path = tensors(tmp_path / "x.npz", unit(rows()[0])[..., :1])
    with pytest.raises(RetortError, match="images have one channel, and values says three"):
        take(tmp_path, path, values=CIFAR)


def test_soft_labels_that_a_set_brings_are_said_to_be_left_unread(tmp_path, capsys):
    images, labels = rows()
    np.savez(tmp_path / "x.npz", images=images, labels=labels, soft_labels=np.eye(3)[labels])
    is_the_set(take(tmp_path, tmp_path / "x.npz"))
    assert "its own soft labels (soft_labels) are not read; a teacher of the config" in capsys.readouterr().out


# ---------------------------------------------------------------- the plan


def planned(theirs: dict, *runs: dict) -> Plan:
    small = {"dataset": {"kind": "folder", "path": "photos", "name": "toy", "resolution": SIDE}, "teachers": {}}
    methods = REST["methods"] | {"theirs": theirs}
    return Plan(load_config(REST | small | {"methods": methods, "runs": [*REST["runs"], *runs]}), IDS)


def test_each_number_of_images_has_its_path_and_nothing_else_of_the_table_in_its_records():
    run = REST["runs"][0] | {"methods": ["theirs"], "ipc": [1, 10]}
    plan = planned({"images": {1: "one", 10: "ten"}, "licence": "mit"}, run)
    assert [plan.import_of("theirs", ipc)["path"] for ipc in ("1", "10")] == ["one", "ten"]
    assert plan.provenance_of("theirs", "10")["settings"] == {"images": "ten", "licence": "mit"}
    assert plan.makers_of("theirs") == ["import_set"]
    assert plan.jobs_of("import_set", "theirs", "10") == [{"method": "theirs", "ipc": "10"}]
    assert plan.jobs_of("import_set", "random", "10") == []


def test_a_table_without_runs_is_taken_for_the_numbers_that_it_has():
    assert planned({"images": {5: "five", 2: "two"}}).ipcs_of("theirs") == ["5", "2"]


def test_an_imported_set_needs_no_real_images():
    run = REST["runs"][0] | {"methods": ["theirs"], "ipc": [500]}
    assert [need.name for need in needs_of(planned({"images": "them"}, run))] == ["random"]


def test_other_methods_have_the_records_that_they_had_before_sets_could_be_imported():
    settings = planned({"images": "them"}).provenance_of("random", "1")["settings"]
    assert settings == {"select": "random"}


def test_a_set_that_is_gone_has_the_state_in_which_it_was_imported_from_the_same_path(tmp_path):
    path = folders(tmp_path / "x", IDS)
    out = take(tmp_path, path)
    assert stamp_of_import(str(path), out) == set_stamp(str(path))
    path.rename(tmp_path / "gone")
    assert stamp_of_import(str(path), out) == "now"
    assert stamp_of_import(str(tmp_path / "other"), out) is None
