"""Checkpoints of the peers' ResNets (`layer0.` in their keys) give here the logits that they give there."""

from pathlib import Path

import pytest
import torch
from tests.helpers.peers_resnets import PeersResNet, scattered
from tests.unit.stages.test_adopt_teacher import IDS, adopt, fetch, noise

from retort.base.errors import RetortError
from retort.models.checkpoint import fit_weights, read_weights
from retort.models.classifiers import build_classifier
from retort.models.teacher import Teacher, load_teacher, logits_of

TEN, EIGHTEEN, FIFTY = (1, 1, 1, 1), (2, 2, 2, 2), (3, 4, 6, 3)
THEIRS = {
    "resnet_ap10": {"blocks": TEN, "pools": True},
    "resnet18_in": {"blocks": EIGHTEEN},
    "resnet18_bn": {"blocks": EIGHTEEN, "kind": "batch"},
    "resnet50_in": {"blocks": FIFTY, "bottleneck": True},
    "resnet101_in": {"blocks": (3, 4, 23, 3), "bottleneck": True},
}
SIDES = [(arch, side) for arch in ("resnet_ap10", "resnet18_in", "resnet18_bn") for side in (32, 96, 160)]


def keys(count: int) -> list[str]:
    """What MinimaxDiffusion's and CoDA's ResNetAP-10 and ResNet-18 save, of one block and of two a stage."""
    places = ["layer0.conv1.weight", "layer0.bn1.weight", "layer0.bn1.bias"]
    for stage in (1, 2, 3, 4):
        for block in range(count):
            for i in (1, 2):
                places += [
                    f"layer{stage}.{block}.{part}" for part in (f"conv{i}.weight", f"bn{i}.weight", f"bn{i}.bias")
                ]
            if stage > 1 and not block:
                last = 2 if count == 1 else 1  # ResNetAP pools between the convolution and its norm
                places += [f"layer{stage}.0.downsample.{n}" for n in ("0.weight", f"{last}.weight", f"{last}.bias")]
    return [*places, "fc.weight", "fc.bias"]


@pytest.mark.parametrize(("arch", "count"), [("resnet_ap10", 1), ("resnet18_in", 2)])
def test_the_peers_networks_of_these_tests_have_the_names_of_the_published_ones(arch, count):
    assert list(PeersResNet(10, 256, **THEIRS[arch]).state_dict()) == keys(count)


@pytest.mark.parametrize(("arch", "side"), [*SIDES, ("resnet50_in", 64), ("resnet101_in", 32)])
def test_a_peers_checkpoint_gives_the_peers_logits(tmp_path, arch, side):
    theirs = scattered(PeersResNet(7, side, **THEIRS[arch]))
    torch.save({"epoch": 3, "state_dict": theirs.state_dict(), "best_acc1": 61.5}, tmp_path / "model_best.pth.tar")
    ours = build_classifier(arch, 7, side).eval()
    fit_weights(ours, read_weights(tmp_path / "model_best.pth.tar"), tmp_path / "model_best.pth.tar", arch)
    images = torch.randn(2, 3, side, side, generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        expected = theirs(images)
        assert expected.std() > 1e-3
        torch.testing.assert_close(ours(images), expected, rtol=1e-4, atol=1e-4 * expected.abs().max().item())


@pytest.mark.parametrize("prefix", ["module.", "model.", "student.net."])
def test_the_stem_is_found_below_a_prefix_too(prefix, tmp_path):
    theirs = scattered(PeersResNet(3, 32, **THEIRS["resnet_ap10"]))
    torch.save({prefix + name: value for name, value in theirs.state_dict().items()}, tmp_path / "net.pth")
    ours = build_classifier("resnet_ap10", 3, 32).eval()
    fit_weights(ours, read_weights(tmp_path / "net.pth"), tmp_path / "net.pth", "resnet_ap10")
    images = torch.randn(2, 3, 32, 32)
    with torch.no_grad():
        torch.testing.assert_close(ours(images), theirs(images), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("arch", ["resnet_ap10", "resnet18_in"])
def test_a_peers_checkpoint_becomes_a_teacher_with_its_logits(tmp_path, arch):
    """From the file to the directory that makes labels; the head is spread, so that every class is named."""
    theirs = scattered(PeersResNet(len(IDS), 32, **THEIRS[arch]))
    judge, pixels = Teacher(theirs, 32), noise(90)  # noise of 16 pixels a side, enlarged
    with torch.no_grad():
        theirs.fc.weight.mul_(30 / logits_of(judge, pixels).std())
        theirs.fc.bias.zero_()
        theirs.fc.bias.copy_(-logits_of(judge, pixels).mean(0))
    torch.save({"state_dict": theirs.state_dict()}, tmp_path / "net.pth")
    fetch(tmp_path / "fetched", arch=arch, source=str(tmp_path / "net.pth"), side=32)
    teacher = load_teacher(adopt(tmp_path, IDS, judge, expect=0.9), IDS)
    expected = logits_of(judge, pixels)
    assert len(set(expected.argmax(1).tolist())) == len(IDS)
    torch.testing.assert_close(logits_of(teacher, pixels), expected, rtol=1e-4, atol=1e-3)


def test_another_network_of_theirs_is_refused_by_its_own_names():
    """A stem in a block does not make ResNet-18 a ResNetAP-10."""
    weights = PeersResNet(3, 32, **THEIRS["resnet18_in"]).state_dict()
    with pytest.raises(RetortError, match=r"layer1\.1\.conv1\.weight"):
        fit_weights(build_classifier("resnet_ap10", 3, 32), weights, Path("net.pth"), "resnet_ap10")
