"""A set that was made elsewhere: every form gives the same pixels under the right labels."""

import shutil

import numpy as np
import pytest
import torch
from tests.helpers.foreign_sets import (
    IDS,
    PIXELS,
    SIDE,
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
from tests.helpers.forms_of_sets import (
    CIFAR,
    FORMS,
    MEAN,
    STD,
    THEIRS,
    listed,
    unit,
)

from retort.artifacts.imported import origin_of
from retort.base.errors import RetortError
from retort.data.elsewhere.ranges import IMAGENET
from retort.models.classifiers import IMAGENET_MEAN, IMAGENET_STD


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


def test_two_names_that_the_config_gives_one_class_are_refused_and_not_merged(tmp_path):
    root = folders(tmp_path / "x", ["a", "b", "c"])
    with pytest.raises(RetortError, match=r"has a, b for the one class n01; name one of them alone under classes"):
        take(tmp_path, root, classes={"a": "n01", "b": "n01", "c": "n02"})
    path = tensors(tmp_path / "x.npz", rows()[0])
    with pytest.raises(RetortError, match=r"has one class that classes calls 1, 01; keep one of these"):
        take(tmp_path, path, classes={"0": "n03", "1": "n01", "2": "n02", "01": "n02"})


def test_a_misspelt_name_is_never_read_by_its_number(tmp_path):
    root = listed(folders(tmp_path / "x", ["n03", "n01", "n2"]), "class_map.txt", "n03\nn01\nn2\n")
    with pytest.raises(RetortError, match=r"does not have, read as class ids: n2, did you mean 'n02'\?"):
        take(tmp_path, root)


def test_names_in_two_ways_are_refused_with_those_of_the_rarer_way(tmp_path):
    root = folders(tmp_path / "x", ["cassette player", "tench", "n02"])
    with pytest.raises(RetortError, match=r"mixes readable names with class ids \(n02\); name all classes in one way"):
        take(tmp_path, root)


def test_a_readable_name_with_a_slash_is_a_folder_with_a_dash(tmp_path):
    table = class_table(tmp_path, IDS, ["t-shirt/top", "dress", "coat"])
    is_the_set(take(tmp_path, folders(tmp_path / "x", ["T-shirt-top", "dress", "coat"]), table=table))
    with pytest.raises(RetortError, match=r"readable names: T-shirt top, did you mean 't-shirt-top'\?"):
        take(tmp_path, folders(tmp_path / "y", ["T-shirt top", "dress", "coat"]), table=table)


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
