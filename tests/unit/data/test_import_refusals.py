"""What cannot be read of a set that was made elsewhere is refused in one line."""

import numpy as np
import pytest
import torch
from safetensors.torch import save_file as save_torch
from tests.helpers.foreign_sets import (
    IDS,
    LABELS,
    archive,
    folders,
    parquet,
    rows,
    take,
    tensors,
)
from tests.helpers.forms_of_sets import (
    CIFAR,
    listed,
    shards,
    unit,
)

from retort.base.errors import RetortError


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
    "names for labels": (
        lambda home: tensors(home / "x.npz", rows()[0], np.array(IDS)[rows()[1]]),
        r"labels are text of shape \(9,\); one whole number for each image",
    ),
    "labels that count from 1": (
        lambda home: tensors(home / "x.npz", rows()[0], rows()[1] + 1),
        r"has labels 3, and the data set's are 0 to 2 \(it seems to count from 1\)",
    ),
    "fewer labels than images": (
        lambda home: tensors(home / "x.npz", rows()[0], rows()[1][:4]),
        "has 9 images and 4 labels",
    ),
    "a label below 0": (lambda home: tensors(home / "x.npz", rows()[0], rows()[1] - 1), "has labels -1"),
    "no labels": (
        lambda home: (np.savez(home / "x.npz", images=rows()[0], targets=rows()[1]), home / "x.npz")[1],
        "has no tensor called 'labels'; it has images, targets",
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


def test_one_channel_that_was_normalised_as_three_is_refused(tmp_path):
    path = tensors(tmp_path / "x.npz", unit(rows()[0])[..., :1])
    with pytest.raises(RetortError, match="images have one channel, and values says three"):
        take(tmp_path, path, values=CIFAR)
