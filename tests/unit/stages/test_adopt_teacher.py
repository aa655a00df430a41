"""Teachers that were trained elsewhere: fetched, cut to the data set by class id, measured before they label."""

from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import nn

from retort.base.errors import RetortError
from retort.base.files import read_json, sha256_of
from retort.base.tensors import write_tensors
from retort.data.hub import Snapshot
from retort.data.imagenet import imagenet_classes, subset_classes
from retort.models.classifiers import build_classifier, normalised
from retort.models.pixels import to_images
from retort.models.teacher import Teacher, cut_head, load_teacher, logits_of, save_teacher
from retort.stages.models import fetch_teacher as fetch_module
from retort.stages.models.adopt_teacher import adopt_teacher
from retort.stages.models.fetch_teacher import fetch_teacher

SIDE, IDS = 16, ["wren", "robin", "finch", "tit", "crow"]


def network(classes: int = len(IDS), arch: str = "resnet8", seed: int = 0) -> nn.Module:
    torch.manual_seed(seed)
    return build_classifier(arch, classes, SIDE).eval()


def noise(n: int, side: int = SIDE, seed: int = 0) -> np.ndarray:
    """Noise of various colours."""
    rng = np.random.default_rng(seed)
    return (rng.integers(0, 256, (n, 1, 1, 3)) * rng.random((n, side, side, 3))).astype(np.uint8)


def fetch(output: Path, **settings) -> Path:
    stated = {"source": None, "revision": None, "classes": None, "resolution": None, "mean": None, "std": None}
    settings = {"name": "judge", "dataset_classes": IDS, "side": SIDE} | stated | settings
    fetch_teacher(str(output), **settings)
    return output


def adopt(home: Path, ids: list[str], labels_by: nn.Module, expect: float | None = None, n: int = 90) -> Path:
    """home/fetched fitted to classes `ids`; validation labels are what `labels_by` says of the images."""
    pixels = noise(n)
    labels = logits_of(labels_by, pixels).argmax(1).numpy()
    write_tensors(home / "val.safetensors", {"pixels": pixels, "labels": labels})
    (home / "classes.csv").write_text("index,id,name\n" + "".join(f"{i},{c},{c}\n" for i, c in enumerate(ids)))
    inputs = (str(home / "fetched"), str(home / "val.safetensors"), str(home / "classes.csv"))
    adopt_teacher(*inputs, str(home / "teacher"), name="judge", expect=expect)
    return home / "teacher"


def spread(module: nn.Module) -> nn.Module:
    """The same with a head under which noise images fall into several classes."""
    with torch.no_grad():
        pixels = noise(90)
        features = module.features(normalised(to_images(pixels)))
        module.head.weight.mul_(50)
        module.head.bias.copy_(-(features @ module.head.weight.T).mean(0))
    assert len(set(logits_of(module, pixels).argmax(1).tolist())) == module.head.out_features
    return module


def test_the_licence_of_a_teacher_is_that_of_the_model_card_beside_it(tmp_path):
    source = tmp_path / "theirs"
    source.mkdir()
    save_file(network().state_dict(), source / "model.safetensors")
    assert "licence" not in read_json(fetch(tmp_path / "bare", arch="resnet8", source=str(source)) / "origin.json")
    (source / "README.md").write_text("---\nlicense: mit\n---\nA teacher.\n")
    assert read_json(fetch(tmp_path / "carded", arch="resnet8", source=str(source)) / "origin.json")["licence"] == "mit"


# ---------------------------------------------------------------- the head


@pytest.mark.parametrize("arch", ["resnet8", "convnet3", "test_resnet", "test_vit"])
def test_cut_head_gives_the_full_heads_logits_at_the_wanted_classes(arch):
    side = 64
    torch.manual_seed(0)
    module, ids = build_classifier(arch, 7, side).eval(), [f"n{i}" for i in range(7)]
    wanted, images = ["n5", "n0", "n6", "n2"], torch.randn(3, 3, side, side)
    with torch.no_grad():
        full = module(images)
        cut_head(module, ids, wanted)
        torch.testing.assert_close(module(images), full[:, [5, 0, 6, 2]], rtol=1e-5, atol=1e-6)


def test_a_cut_head_saves_and_loads_as_a_head_of_its_classes(tmp_path):
    module = network()
    cut_head(module, IDS, ["tit", "wren"])
    save_teacher(module, tmp_path, "resnet8", ["tit", "wren"], SIDE)
    loaded = load_teacher(tmp_path, ["tit", "wren"])
    torch.testing.assert_close(logits_of(loaded, noise(4)), logits_of(network(), noise(4))[:, [3, 0]])


def test_classes_that_the_head_lacks_are_named():
    with pytest.raises(RetortError, match=r"2 of the data set's 3 classes.*among the 5.*owl, emu"):
        cut_head(network(), IDS, ["owl", "wren", "emu"])


def test_a_head_of_another_number_of_classes_than_ids_is_refused():
    with pytest.raises(RetortError, match=r"out_features=6.*must be a linear layer of 5 classes"):
        cut_head(network(6), IDS, ["wren"])


# ---------------------------------------------------------------- what a teacher sees


def test_a_teacher_renormalises_to_its_own_mean_and_deviation():
    module, pixels, mean, std = network(), noise(4), (0.1, 0.2, 0.3), (0.5, 0.25, 1.0)
    unit = torch.from_numpy(pixels).permute(0, 3, 1, 2).double() / 255
    own = (unit - torch.tensor(mean).view(3, 1, 1)) / torch.tensor(std).view(3, 1, 1)
    with torch.no_grad():
        expected = module(own.float())
    torch.testing.assert_close(logits_of(Teacher(module, SIDE, mean, std), pixels), expected, rtol=1e-4, atol=1e-5)
    assert not torch.allclose(logits_of(module, pixels), expected, atol=1e-2)


def test_a_teacher_with_our_normalisation_and_side_is_its_network_to_the_last_bit():
    module, pixels = network(), noise(4)
    assert torch.equal(logits_of(Teacher(module, SIDE), pixels), logits_of(module, pixels))
    raw = logits_of(Teacher(module, SIDE, (0.5,) * 3, (0.5,) * 3), pixels, normalise=False)
    assert torch.equal(raw, logits_of(module, pixels, normalise=False))


@pytest.mark.parametrize("interpolation", ["bilinear", "bicubic"])
def test_images_of_another_side_are_resized_to_the_teachers(interpolation):
    """Against torchvision's resize of the images in [0, 1], which is what its weights were evaluated with."""
    from torchvision.transforms.functional import InterpolationMode, resize

    module, images = network(), torch.rand(2, 3, 24, 24) * 0.5 + 0.25
    mode = InterpolationMode(interpolation)
    small = resize(images, [SIDE, SIDE], interpolation=mode, antialias=True)
    teacher = Teacher(module, SIDE, interpolation=interpolation)
    with torch.no_grad():
        expected = module(normalised(small * 2 - 1))
        torch.testing.assert_close(teacher(normalised(images * 2 - 1)), expected, rtol=1e-4, atol=1e-4)
        torch.testing.assert_close(
            teacher.features(normalised(images * 2 - 1)),
            module.features(normalised(small * 2 - 1)),
            rtol=1e-4,
            atol=1e-4,
        )


# ---------------------------------------------------------------- from a checkpoint


def test_a_local_checkpoint_becomes_a_teacher_of_the_data_sets_classes(tmp_path):
    judge = spread(network())
    save_file(judge.state_dict(), tmp_path / "net.safetensors")
    fetched = fetch(tmp_path / "fetched", arch="resnet8", source=str(tmp_path / "net.safetensors"))
    origin = read_json(fetched / "origin.json")
    assert origin["sha256"] == sha256_of(tmp_path / "net.safetensors")
    assert origin["source"] == str(tmp_path / "net.safetensors")
    teacher = adopt(tmp_path, IDS, judge, expect=1.0)
    assert read_json(teacher / "quality.json")["value"] == 1.0
    assert read_json(teacher / "origin.json") == origin
    assert torch.equal(logits_of(load_teacher(teacher, IDS), noise(5)), logits_of(judge, noise(5)))


def test_the_order_of_the_data_sets_classes_does_not_matter_to_a_folder_saved_by_retort(tmp_path):
    """Its teacher.json says whose rows are whose; the data set has three of the five, in another order."""
    judge, kept = spread(network()), ["crow", "wren", "tit"]
    (tmp_path / "saved").mkdir()
    save_teacher(judge, tmp_path / "saved", "resnet8", IDS, SIDE, mean=(0.5,) * 3)
    fetched = fetch(tmp_path / "fetched", arch="resnet8", source=str(tmp_path / "saved"), dataset_classes=kept, side=99)
    about = read_json(fetched / "teacher.json")
    assert (about["classes"], about["resolution"], about["mean"]) == (IDS, SIDE, [0.5] * 3)
    whole = Teacher(judge, SIDE, (0.5,) * 3)

    class Cut(nn.Module):
        def forward(self, images):
            return whole(images)[:, [4, 0, 3]]

        parameters = judge.parameters

    teacher = adopt(tmp_path, kept, Cut(), expect=1.0)
    torch.testing.assert_close(logits_of(load_teacher(teacher, kept), noise(5)), logits_of(Cut(), noise(5)))


def test_classes_by_the_name_of_a_subset_are_that_subsets_in_its_order(tmp_path):
    ids = subset_classes("imagenette")
    save_file(network(len(ids)).state_dict(), tmp_path / "net.safetensors")
    source = str(tmp_path / "net.safetensors")
    fetched = fetch(tmp_path / "fetched", arch="resnet8", source=source, classes="imagenette")
    assert read_json(fetched / "teacher.json")["classes"] == list(ids)


def test_a_checkpoint_of_another_stem_is_refused_by_the_key_of_the_config(tmp_path):
    torch.save(build_classifier("resnet18", 5, SIDE).state_dict(), tmp_path / "net.pth")
    with pytest.raises(RetortError, match=r"^teachers\.judge: .*7x7, this network's 3x3"):
        fetch(tmp_path / "fetched", arch="resnet18_modified", source=str(tmp_path / "net.pth"))
    assert not (tmp_path / "fetched").exists()


def test_another_architecture_than_its_teacher_json_says_is_refused(tmp_path):
    (tmp_path / "saved").mkdir()
    save_teacher(network(), tmp_path / "saved", "resnet8", IDS, SIDE)
    with pytest.raises(RetortError, match=r"arch is convnet3, but .*teacher\.json says resnet8"):
        fetch(tmp_path / "fetched", arch="convnet3", source=str(tmp_path / "saved"))


# ---------------------------------------------------------------- the guard


def guarded(home: Path, head_order: list[int], expect: float | None) -> str:
    """The error when rows of the head are in this order, but are taken for the data set's."""
    judge = spread(network())
    wrong = {n: w[head_order] if n.startswith("head") else w for n, w in judge.state_dict().items()}
    save_file(wrong, home / "net.safetensors")
    fetch(home / "fetched", arch="resnet8", source=str(home / "net.safetensors"))
    with pytest.raises(RetortError) as caught:
        adopt(home, IDS, judge, expect)
    assert not (home / "teacher").exists()
    return str(caught.value)


def test_a_permuted_head_stops_the_run_and_the_order_that_fits_is_named(tmp_path):
    message = guarded(tmp_path, [1, 2, 3, 4, 0], None)
    for word in (
        "teacher 'judge' calls",
        "of 5 classes by each other's names",
        "reaches top-1 0.000",
        "dataset.classes",
    ):
        assert word in message


def test_a_teacher_that_calls_everything_the_same_stops_the_run_with_the_likely_causes(tmp_path):
    message = guarded(tmp_path, [0, 0, 0, 0, 0], None)
    for word in ("teacher 'judge' reaches top-1", "on the 90", "a guess", "class order", "teachers.judge.classes"):
        assert word in message
    for word in ("normalisation", "resolution", "stem", "split"):
        assert word in message


@pytest.mark.parametrize("expect", [None, 0.6, 1.0])
def test_two_swapped_classes_stop_the_run_whatever_is_expected(tmp_path, expect):
    message = guarded(tmp_path, [1, 0, 2, 3, 4], expect)
    assert f"2 of 5 classes by each other's names ({IDS[0]} as {IDS[1]}, {IDS[1]} as {IDS[0]})" in message
    assert f"The order that fits what it says is {', '.join([IDS[1], IDS[0], *IDS[2:]])}" in message


# ---------------------------------------------------------------- timm's weights


@pytest.fixture
def hub(tmp_path, monkeypatch):
    """hub(name): a hub that gives out random weights of timm's name, and what it was asked for."""
    timm = pytest.importorskip("timm")
    asked = []

    def offer(name: str, checksum: str | None = None) -> tuple[nn.Module, list]:
        torch.manual_seed(0)
        module, folder = timm.create_model(name.partition(".")[0]).eval(), tmp_path / "hub"
        folder.mkdir()
        save_file(module.state_dict(), folder / "model.safetensors")

        def download(*arguments):
            asked.append(arguments)
            return Snapshot(folder, "c0ffee", {"model.safetensors": {"bytes": None, "sha256": checksum}})

        monkeypatch.setattr(fetch_module, "download", download)
        return module, asked

    return offer


@pytest.mark.parametrize("arch", ["test_resnet", "test_vit"])
def test_timms_weights_come_with_their_classes_preprocessing_and_revision(tmp_path, hub, arch):
    module, asked = hub(f"{arch}.r160_in1k")
    fetched = fetch(tmp_path / "fetched", arch=f"{arch}.r160_in1k", revision="v1")
    assert asked == [(f"timm/{arch}.r160_in1k", "v1", ["model.safetensors"], [])]
    about, origin = read_json(fetched / "teacher.json"), read_json(fetched / "origin.json")
    assert about == {
        "arch": arch,
        "resolution": 160,
        "classes": list(imagenet_classes()),
        "mean": [0.5] * 3,
        "std": [0.5] * 3,
        "interpolation": {"test_resnet": "bilinear", "test_vit": "bicubic"}[arch],
    }
    weights = tmp_path / "hub" / "model.safetensors"
    assert origin == {
        "name": "judge",
        "source": f"timm/{arch}.r160_in1k",
        "revision": "c0ffee",
        "sha256": sha256_of(weights),
    }
    saved = load_file(fetched / "model.safetensors")
    assert all(torch.equal(w, module.state_dict()[n]) for n, w in saved.items())


def test_a_subset_of_imagenet_is_cut_by_wnid_in_the_data_sets_own_order(tmp_path, hub):
    module, _ = hub("test_resnet.r160_in1k")
    fetch(tmp_path / "fetched", arch="test_resnet.r160_in1k", resolution=SIDE)
    wanted = [imagenet_classes()[i] for i in (700, 3, 251)]
    whole = Teacher(module, SIDE, (0.5,) * 3, (0.5,) * 3)

    class Cut(nn.Module):
        parameters = module.parameters

        def forward(self, images):
            return whole(images)[:, [700, 3, 251]]

    teacher = adopt(tmp_path, wanted, Cut(), expect=1.0)
    torch.testing.assert_close(logits_of(load_teacher(teacher, wanted), noise(5)), logits_of(Cut(), noise(5)))


def test_position_embeddings_are_resampled_to_another_resolution(tmp_path, hub):
    hub("test_vit.r160_in1k")
    fetched = fetch(tmp_path / "fetched", arch="test_vit.r160_in1k", resolution=64)
    about, module = read_json(fetched / "teacher.json"), build_classifier("test_vit", 1000, 64)
    assert about["resolution"] == 64
    module.load_state_dict(load_file(fetched / "model.safetensors"))


def test_weights_of_another_network_under_timms_name_are_refused(tmp_path, hub):
    hub("test_vit.r160_in1k")
    with pytest.raises(RetortError, match=r"teachers\.judge: .*does not hold the weights of timm's test_resnet"):
        fetch(tmp_path / "fetched", arch="test_resnet.r160_in1k")


def test_weights_that_are_not_what_the_hub_says_are_refused(tmp_path, hub):
    hub("test_resnet.r160_in1k", checksum="0" * 64)
    with pytest.raises(RetortError, match="not what the hub says"):
        fetch(tmp_path / "fetched", arch="test_resnet.r160_in1k")


def test_weights_of_other_classes_than_imagenets_thousand_are_refused(tmp_path):
    pytest.importorskip("timm")
    with pytest.raises(RetortError, match=r"are for 21843 classes|are for 21841 classes"):
        fetch(tmp_path / "fetched", arch="vit_small_patch16_224.augreg_in21k")


# ---------------------------------------------------------------- one from elsewhere that is mostly wrong


@pytest.mark.parametrize(("expect", "warned"), [(None, True), (0.3, False)])
def test_a_weak_teacher_from_elsewhere_is_warned_of_unless_that_is_known_of_it(tmp_path, expect, warned, capsys):
    judge, rng = spread(network()), np.random.default_rng(0)
    save_file(judge.state_dict(), tmp_path / "net.safetensors")
    fetch(tmp_path / "fetched", arch="resnet8", source=str(tmp_path / "net.safetensors"))

    class Often(nn.Module):
        """The same, but for eight in ten images, which are of some class."""

        def __init__(self):
            super().__init__()
            self.judge = judge

        def forward(self, images):
            logits = self.judge(images)
            strange = torch.from_numpy(rng.random(len(images)) < 0.8)
            logits[strange] = torch.from_numpy(rng.standard_normal((int(strange.sum()), logits.shape[1]))).float()
            return logits

    adopt(tmp_path, IDS, Often(), expect, n=400)
    assert (
        "warning: teacher 'judge' comes from elsewhere and is wrong on more than half" in capsys.readouterr().out
    ) is warned
