"""Fashion-MNIST: the tenth that comes with Retort, and the whole of it from IDX files as they are published."""

import gzip
import hashlib
import shutil
import struct
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from tests.helpers.small_datasets import REST, built, classes_of
from tests.helpers.workspace import REPOSITORY
from torchvision.datasets import FashionMNIST
from torchvision.datasets.mnist import read_image_file, read_label_file

from retort.base.errors import RetortError
from retort.config.load import load_config
from retort.data.classes import class_list, contents_stamp, published_name
from retort.data.images import read_rgb
from retort.data.layouts import fashion_mnist
from retort.data.layouts.idx import read_idx
from retort.data.licences import data_licence
from retort.plan.plan import Plan
from retort.stages.data.export_images import export_images

IDS = ["t-shirt", "trouser", "pullover", "dress", "coat", "sandal", "shirt", "sneaker", "bag", "ankle-boot"]
SIZES = {"train": 30, "t10k": 20}


def planned(**keys) -> Plan:
    config = load_config(REST | {"dataset": {"kind": "fashion-mnist", **keys}})
    return Plan(config, class_list(config.dataset))


def exported(plan: Plan, folder: Path) -> Path:
    export_images(str(folder), plan.written_layout(), plan.classes)
    return folder


def idx(values: np.ndarray) -> bytes:
    return bytes([0, 0, 8, values.ndim]) + struct.pack(f">{values.ndim}I", *values.shape) + values.tobytes()


def miniature(split: str) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(SIZES[split])
    labels = rng.permutation(np.arange(SIZES[split]) % 10).astype(np.uint8)
    return rng.integers(0, 256, (SIZES[split], 28, 28), dtype=np.uint8), labels


def published(root: Path, packed: bool = True, **spoilt: bytes) -> Path:
    """The four files, of few images; `spoilt`: other contents, by train_images and so on."""
    root.mkdir(parents=True, exist_ok=True)
    for split in SIZES:
        for what, name, values in zip(
            ("images", "labels"), ("images-idx3", "labels-idx1"), miniature(split), strict=True
        ):
            content = spoilt.get(f"{split}_{what}", idx(values))
            file = root / f"{split}-{name}-ubyte{'.gz' if packed else ''}"
            file.write_bytes(gzip.compress(content) if packed else content)
    return root


# ---------------------------------------------------------------- what comes with Retort


@pytest.fixture(scope="module")
def own(tmp_path_factory) -> Path:
    return exported(planned(), tmp_path_factory.mktemp("own") / "images")


def test_what_comes_with_retort_is_500_and_100_images_of_each_class(own):
    found = Counter((p.parts[-3], p.parts[-2]) for p in own.rglob("*.png"))
    assert found == {(split, c): n for split, n in (("train", 500), ("val", 100)) for c in IDS}


def test_its_files_are_those_whose_digests_are_written_down_and_the_notice_lies_beside_them():
    for name, digest in fashion_mnist.OWN_FILES.values():
        content = (fashion_mnist.OWN / name).read_bytes()
        assert hashlib.sha256(content).hexdigest() == digest
        assert len(content) < 5e6
        assert digest[:8] in contents_stamp(planned().dataset, IDS)
    notice = (fashion_mnist.OWN / "LICENSE").read_text()
    assert "MIT" in notice
    assert "Copyright (c) 2017 Zalando SE" in notice
    assert "copyright notice and this permission notice shall be included" in " ".join(notice.split())


def test_its_files_are_installed_with_the_package():
    data = (REPOSITORY / "pyproject.toml").read_text()
    assert '"data/fashion_mnist/*"' in data


def test_its_images_are_grey_photographs_of_clothes_read_as_rgb(own):
    """Trousers are two legs, pullovers have sleeves, boots a shaft: each image under its own label."""
    mean = {c: np.mean([np.asarray(Image.open(p)) for p in (own / "train" / c).iterdir()], axis=0) for c in IDS}
    image = read_rgb(next((own / "val/bag").iterdir()))
    assert (image.mode, image.size) == ("RGB", (28, 28))
    assert mean["trouser"][20, 14] < 0.5 * mean["trouser"][20, 11]  # the gap between the legs
    assert mean["trouser"][:, :5].mean() < 2
    assert mean["ankle-boot"][6, 18:24].mean() > 5 * mean["sneaker"][6, 18:24].mean()  # the shaft
    assert mean["pullover"][15, 5] > 3 * mean["dress"][15, 5]  # a sleeve
    every = np.stack(list(mean.values()))
    assert every.mean() / 255 == pytest.approx(0.286, abs=0.005)  # the published mean of all 60,000


def test_it_goes_all_the_way_to_a_manifest_in_label_order_with_readable_names(own, tmp_path):
    plan = planned()
    images = built(plan, tmp_path / "out", own)
    assert images.groupby("split").size().to_dict() == {"train": 5000, "val": 1000}
    assert set(zip(images["width"], images["height"], strict=True)) == {(28, 28)}
    assert classes_of(tmp_path / "out")[0] == ("0", "t-shirt", "t-shirt/top")
    assert classes_of(tmp_path / "out")[9] == ("9", "ankle-boot", "ankle boot")
    assert data_licence(plan.dataset.layout()) == "mit"


def test_some_classes_are_the_same_files(own, tmp_path):
    some = exported(planned(classes=["bag", "coat"]), tmp_path / "some")
    names = [str(p.relative_to(some)) for p in sorted(some.rglob("*.png"))]
    assert names == [str(p.relative_to(own)) for p in sorted(own.rglob("*.png")) if p.parts[-2] in ("bag", "coat")]
    with pytest.raises(RetortError, match=r"fashion-mnist has no class boot; it has t-shirt, .*, ankle-boot"):
        planned(classes=["boot", "bag"])


def test_a_file_of_ours_that_was_changed_is_refused(tmp_path, monkeypatch):
    shutil.copytree(fashion_mnist.OWN, tmp_path / "own")
    (tmp_path / "own" / "validation.parquet").write_bytes(b"version https://git-lfs.github.com/spec/v1\n")
    monkeypatch.setattr(fashion_mnist, "OWN", tmp_path / "own")
    with pytest.raises(RetortError, match=r"validation\.parquet is not the file that comes with Retort .*check it out"):
        exported(planned(), tmp_path / "images")
    assert not (tmp_path / "images").exists()


def test_numbers_published_of_the_whole_do_not_stand_beside_a_tenth_of_it(tmp_path):
    assert published_name(planned().dataset, IDS) is None
    assert published_name(planned(path=str(tmp_path)).dataset, IDS) == "fashion-mnist"


# ---------------------------------------------------------------- all of it, from a path


@pytest.mark.parametrize("packed", [True, False])
@pytest.mark.parametrize("below", [".", "raw", "FashionMNIST/raw"])
def test_published_files_are_written_out_as_torchvision_reads_them(tmp_path, packed, below):
    root = published(tmp_path / "data" / below, packed)
    plan = planned(path=str(tmp_path / "data"))
    images = exported(plan, tmp_path / "images")
    plain = published(tmp_path / "plain", packed=False)
    expected = {}
    for split, name in (("train", "train"), ("val", "t10k")):
        pixels = read_image_file(str(plain / f"{name}-images-idx3-ubyte")).numpy()
        labels = read_label_file(str(plain / f"{name}-labels-idx1-ubyte")).tolist()
        for row, (image, label) in enumerate(zip(pixels, labels, strict=True)):
            expected[f"{split}/{IDS[label]}/{row:05d}.png"] = image
    found = {str(p.relative_to(images)): np.asarray(Image.open(p)) for p in images.rglob("*.png")}
    assert found.keys() == expected.keys()
    assert all(np.array_equal(found[name], expected[name]) for name in expected)
    file = next(root.iterdir())
    before = plan.contents_stamp()
    file.write_bytes(file.read_bytes() + b"x")
    assert plan.contents_stamp() != before


def test_readable_names_are_those_of_torchvision_in_its_order():
    names = list(fashion_mnist.CLASSES.values())
    assert names == [name.lower() for name in FashionMNIST.classes]
    assert list(fashion_mnist.CLASSES) == IDS


def test_images_that_are_not_the_published_ones_are_used_with_a_warning(tmp_path, capsys):
    exported(planned(path=str(published(tmp_path / "data"))), tmp_path / "images")
    warned = [line for line in capsys.readouterr().out.splitlines() if line.startswith("warning:")]
    assert len(warned) == 2
    assert all("do not hold the published images and labels of Fashion-MNIST" in line for line in warned)


def test_the_published_images_themselves_cause_no_warning(tmp_path, capsys, monkeypatch):
    """The digests are of the values after the header, so that a file packed again is the same."""
    digests = [
        fashion_mnist.Published(*names[:2], *(hashlib.sha256(values).hexdigest() for values in miniature(split)))
        for split, names in zip(SIZES, fashion_mnist.PUBLISHED.values(), strict=True)
    ]
    monkeypatch.setattr(fashion_mnist, "PUBLISHED", dict(zip(("train", "val"), digests, strict=True)))
    exported(planned(path=str(published(tmp_path / "data"))), tmp_path / "images")
    assert "warning" not in capsys.readouterr().out


IMAGES, LABELS = miniature("train")


@pytest.mark.parametrize(
    ("spoilt", "message"),
    [
        ({"train_images": idx(IMAGES)[:-5]}, r"holds 23515 values, but its header says 30 x 28 x 28, 23520"),
        ({"train_images": idx(IMAGES) + b"x"}, r"holds 23521 values, but its header says 30 x 28 x 28, 23520"),
        ({"train_images": b"<!doctype html>"}, r"train-images.* is no IDX file: it begins with 3c 21 64 6f; fetch"),
        ({"train_images": b""}, r"train-images.* is no IDX file: it begins with nothing"),
        ({"train_images": idx(LABELS)}, r"values of type 0x08 in 1 dimensions, where 0x08 in 3 is right; are images"),
        ({"train_images": idx(IMAGES[:, :20])}, r"has images of 20 x 28; those of Fashion-MNIST are 28 x 28"),
        ({"train_labels": idx(LABELS[:-1])}, r"train-images.* has 30 images, but .*train-labels.* 29 labels"),
        ({"train_labels": idx(LABELS + 5)}, r"train-labels.* has labels that are no class: 10, 11, 12, 13, 14; 0 to 9"),
        ({"t10k_labels": idx(IMAGES)}, r"t10k-labels.* in 3 dimensions, where 0x08 in 1 is right"),
    ],
)
def test_files_that_are_not_what_they_should_be_are_named(tmp_path, spoilt, message):
    plan = planned(path=str(published(tmp_path / "data", **spoilt)))
    with pytest.raises(RetortError, match=message):
        exported(plan, tmp_path / "images")
    assert not (tmp_path / "images").exists()


@pytest.mark.parametrize("kept", [0.0, 0.1, 0.5, 0.99])
def test_a_packed_file_that_was_cut_off_is_named(tmp_path, kept):
    file = published(tmp_path / "data") / "train-images-idx3-ubyte.gz"
    content = file.read_bytes()
    file.write_bytes(content[: int(len(content) * kept)])
    with pytest.raises(RetortError, match=r"train-images-idx3-ubyte\.gz is (corrupt or cut off|no IDX file)"):
        exported(planned(path=str(tmp_path / "data")), tmp_path / "images")


def test_what_is_packed_without_saying_so_is_refused(tmp_path):
    file = tmp_path / "labels"
    file.write_bytes(gzip.compress(idx(LABELS)))
    with pytest.raises(RetortError, match=r"labels is no IDX file: it begins with 1f 8b"):
        read_idx(file, 1)
    file.with_suffix(".gz").write_bytes(idx(LABELS))
    with pytest.raises(RetortError, match=r"labels\.gz is corrupt or cut off"):
        read_idx(file.with_suffix(".gz"), 1)


def test_missing_files_and_folders_are_named_with_what_would_be_right(tmp_path):
    root = published(tmp_path / "data")
    with pytest.raises(RetortError, match=r"there is no folder .*/date \(did you mean .*/data\?\); give the one that"):
        exported(planned(path=str(tmp_path / "date")), tmp_path / "images")
    with pytest.raises(RetortError, match=r"there is no folder .*ubyte\.gz \(it is an archive"):
        exported(planned(path=str(root / "train-images-idx3-ubyte.gz")), tmp_path / "images")
    (root / "t10k-labels-idx1-ubyte.gz").unlink()
    with pytest.raises(RetortError, match=r"data has no t10k-labels-idx1-ubyte, packed as \.gz or not; without a path"):
        exported(planned(path=str(root)), tmp_path / "images")


def test_a_path_is_planned_before_the_files_are_there(tmp_path):
    plan = planned(path=str(tmp_path / "nowhere"))
    assert plan.classes == IDS
    assert plan.contents_stamp() is None
