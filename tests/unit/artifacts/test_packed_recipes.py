"""What the card of a packed set tells people to type gives our labels."""

import csv
import re
import shutil
from pathlib import Path

import datasets
import numpy as np
import pytest
from PIL import Image
from tests.helpers.birds import CLASSES, make_home, members, save_set
from timm.data import create_dataset
from torch.utils.data import DataLoader
from torchvision.datasets import ImageFolder
from torchvision.transforms.functional import pil_to_tensor

from retort.artifacts.sets import MANIFEST, read_set
from retort.base.tables import read_table
from retort.data.stores import ARCHIVE


@pytest.fixture(scope="module")
def home(tmp_path_factory) -> Path:
    """Birds, with the sets "files" and "packed": the same six images in both forms."""
    home = make_home(tmp_path_factory.mktemp("birds"))
    save_set(home, "two", "files", copy=True)
    save_set(home, "two", "packed", copy=True, store="zip")
    return home


@pytest.fixture(autouse=True)
def own_cache(tmp_path, monkeypatch):
    """Nothing of a test is left in the cache of whoever runs it."""
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "cache")


def recipes(folder: Path) -> list[str]:
    return re.findall(r"```python\n(.*?)```", (folder / "card.md").read_text(), re.DOTALL)


def content_of(image: Image.Image) -> bytes:
    return np.asarray(image).tobytes()


@pytest.fixture
def told(home, monkeypatch) -> dict[bytes, int]:
    """Pixels of each image -> its label, as `read_set` has them; the set's folder is where we are."""
    monkeypatch.chdir(home / "packed")
    pixels, labels = read_set(home / "files", None)
    return {image.tobytes(): int(label) for image, label in zip(pixels, labels, strict=True)}


def test_loaders_of_folders_have_our_labels_once_the_archive_is_unpacked(told):
    names = {}
    unpacking, timms, hub = re.split(r"(?=\nfrom timm)|(?=\nfrom datasets)", recipes(Path())[0])
    exec(unpacking, names)
    try:
        folder = names["folder"]
        assert isinstance(folder, ImageFolder)
        assert {content_of(image): target for image, target in folder} == told
        exec(timms, names)
        assert {content_of(image): target for image, target in names["dataset"]} == told
        assert create_dataset("", root=names["unpacked"]).reader.class_to_idx["wren"] == 2  # by the alphabet
    finally:
        shutil.rmtree(names["unpacked"])
    exec(hub, names)
    assert {content_of(row["image"]): row["label"] for row in names["dataset"]} == told
    assert {row["class_id"] for row in names["dataset"]} == set(CLASSES)


def test_hugging_faces_loader_takes_the_archive_alone_and_streams_it(told):
    for options in ({}, {"streaming": True}):
        found = datasets.load_dataset("imagefolder", data_files=ARCHIVE, split="train", **options)
        assert {content_of(row["image"]): row["label"] for row in found} == told


def test_torch_reads_the_archive_without_unpacking_it_by_several_workers(told):
    names = {}
    exec(recipes(Path())[1], names)
    images = names["images"]
    assert {content_of(image): label for image, label in (images[i] for i in range(len(images)))} == told
    images.transform = pil_to_tensor  # the archive is open here, which must not matter to the workers
    loaded = DataLoader(images, batch_size=2, num_workers=2)
    found = {
        image.permute(1, 2, 0).numpy().tobytes(): int(label)
        for batch, labels in loaded
        for image, label in zip(batch, labels, strict=True)
    }
    assert found == told


def test_a_set_of_files_is_not_told_to_be_unpacked(home):
    card = (home / "files" / "card.md").read_text()
    assert "zip" not in card
    assert "{" not in card.replace('{row["id"]: int(row["index"]) for row', "")
    assert "images.zip" in (home / "packed" / "card.md").read_text()


def test_the_label_order_in_the_archive_is_the_manifests(home):
    inside = csv.DictReader(members(home / "packed" / ARCHIVE)["metadata.csv"].decode().splitlines())
    listed = read_table(home / "packed" / MANIFEST, ["file", "class_index"])
    expected = dict(zip(listed["file"], listed["class_index"], strict=True))
    assert {row["file_name"]: int(row["label"]) for row in inside} == expected
