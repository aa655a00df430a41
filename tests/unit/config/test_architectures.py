"""Names of classifiers: ours, timm's, and what is neither."""

import subprocess
import sys
from pathlib import Path

import pytest
import torch
import yaml

from retort.base.errors import RetortError
from retort.config.architectures import ARCHITECTURES
from retort.config.load import load_config
from retort.config.timm_names import PUBLISHED_TOP1, timm_tags
from retort.models.classifiers import build_classifier, features_and_logits_of, head_of
from retort.plan.plan import Plan

CONFIG = """
dataset: {kind: folder, name: birds, path: birds, resolution: 32}
teachers: {judge: TEACHER}
methods: {random: {select: random}}
protocols:
  soft:
    labels: {teacher: judge, kind: static}
    views: {steps: 1}
    optimizer: {kind: sgd, lr: 0.1, schedule: constant}
runs: [{methods: [random], ipc: [1], protocols: [soft], students: [STUDENT]}]
"""


def load(teacher: str = "{arch: resnet8, train: {}}", student: str = "resnet8"):
    return load_config(yaml.safe_load(CONFIG.replace("TEACHER", teacher).replace("STUDENT", student)))


# ---------------------------------------------------------------- names


def test_names_read_from_timms_source_are_those_that_timm_registers():
    timm = pytest.importorskip("timm")
    assert set(timm_tags()) == set(timm.list_models())
    told = {name: set() for name in timm_tags()}
    for name in timm.list_models(pretrained=True):
        arch, _, tag = name.partition(".")
        told[arch].add(tag)
    # Where tags are written out, all are: nothing that exists is refused.
    assert [name for name, tags in timm_tags().items() if tags and not told[name] <= tags] == []
    assert {name for name, tags in timm_tags().items() if "in1k" in " ".join(tags)} > {"resnet18", "resnet50"}


def test_our_names_are_none_of_timms():
    assert not set(ARCHITECTURES) & set(timm_tags())


def test_published_accuracies_are_of_weights_that_timm_has():
    for name in PUBLISHED_TOP1:
        arch, _, tag = name.partition(".")
        assert tag in timm_tags()[arch]
        assert 0.69 < PUBLISHED_TOP1[name] < 0.83


def test_names_are_known_without_importing_torch_or_timm():
    code = "import sys, retort.config.load, retort.config.timm_names as n; n.timm_tags()"
    code += "; sys.exit(any(m in sys.modules for m in ('torch', 'timm', 'torchvision')))"
    library = Path(__file__).parents[3] / "workflow"
    assert subprocess.run([sys.executable, "-c", code], cwd=library).returncode == 0


# ---------------------------------------------------------------- in the config


@pytest.mark.parametrize(
    "student", ["resnet18", "mobilenetv2_100", "swin_tiny_patch4_window7_224", "resnet18_modified"]
)
def test_students_may_be_ours_or_timms(student):
    assert load(student=student).runs[0].students == [student]


@pytest.mark.parametrize(
    ("student", "words"),
    [
        ("resnet_18", ["no architecture is called 'resnet_18'", "did you mean 'resnet18", "or any of timm's"]),
        ("moblenetv2_100", ["did you mean 'mobilenetv2_100'?"]),
        ("resnet18.tv_in1k", ["students"]),
        ("convnet6", ["convnet6 needs images of at least 64 pixels", "32"]),
    ],
)
def test_students_that_are_neither_are_named_with_the_nearest(student, words):
    with pytest.raises(RetortError) as caught:
        load(student=student)
    assert [word for word in words if word not in str(caught.value)] == []


@pytest.mark.parametrize(
    "teacher",
    [
        "{arch: resnet18.tv_in1k, revision: abc}",
        "{arch: vit_small_patch16_224.augreg_in1k, resolution: 64}",
        "{arch: resnet18_modified, source: net.pth, classes: imagenette, resolution: 64}",
        "{arch: convnet3_bn, source: net.safetensors, mean: [0, 0, 0], std: [1, 1, 1]}",
        "{arch: resnet18, train: {crop: [0.25, 1.0], precision: bfloat16}}",
    ],
)
def test_a_teacher_is_trained_here_or_read_or_timms(teacher):
    assert load(teacher).teachers["judge"].arch


@pytest.mark.parametrize(
    ("teacher", "words"),
    [
        ("{arch: resnet18}", ["exactly one of train", "resnet18.tv_in1k", "found none"]),
        ("{arch: resnet18.tv_in1k, source: a.pth}", ["exactly one of", "found source and a tag"]),
        ("{arch: resnet18.tv_in1k, train: {}}", ["exactly one of", "found train and a tag"]),
        ("{arch: resnet18.tv_ink1}", ["resnet18 has no weights called 'tv_ink1', did you mean 'tv_in1k'?", "a1_in1k"]),
        ("{arch: rsnet18.tv_in1k}", ["no architecture is called 'rsnet18', did you mean 'resnet18'?"]),
        ("{arch: convnet3.tv_in1k}", ["convnet3 is no architecture of timm's", "give a source"]),
        ("{arch: resnet18, train: {}, classes: imagenet1k}", ["classes does not go with train; it is for source"]),
        ("{arch: resnet18.tv_in1k, mean: [0, 0, 0]}", ["mean does not go with a tag; it is for source"]),
        ("{arch: resnet18, source: a.pth, classes: imagenete}", ["did you mean 'imagenette'?", "dataset, imagenet1k"]),
        ("{arch: resnet18, source: a.pth, std: [0, 1, 1]}", ["three numbers above 0"]),
        ("{arch: resnet18, train: {crop: [0.5, 0.2]}}", ["0 < smallest <= largest <= 1"]),
    ],
)
def test_what_does_not_go_together_is_refused(teacher, words):
    with pytest.raises(RetortError) as caught:
        load(teacher)
    assert "teachers.judge" in str(caught.value)
    assert [word for word in words if word not in str(caught.value)] == []


def test_trained_and_fetched_teachers_are_told_apart():
    config = yaml.safe_load(CONFIG.replace("TEACHER", "{arch: resnet18.tv_in1k}").replace("STUDENT", "resnet8"))
    config["teachers"] |= {"own": {"arch": "resnet8", "train": {}}, "file": {"arch": "resnet8", "source": "a.pth"}}
    plan = Plan(load_config(config), ["wren", "tit"])
    assert plan.teacher_names() == ["judge", "own", "file"]
    assert plan.teacher_names(trained=True) == ["own"]
    assert plan.teacher_names(trained=False) == ["judge", "file"]
    assert (plan.used_teachers(), plan.used_teachers(trained=False), plan.used_teachers(trained=True)) == (
        ["judge"],
        ["judge"],
        [],
    )


# ---------------------------------------------------------------- networks


@pytest.mark.parametrize("arch", ["test_resnet", "test_vit", "resnet_ap10", "convnet3_bn"])
def test_features_are_what_the_head_makes_logits_of(arch):
    torch.manual_seed(0)
    module, images = build_classifier(arch, 5, 64).eval(), torch.randn(3, 3, 64, 64)
    with torch.no_grad():
        features, logits = features_and_logits_of(module, images)
        torch.testing.assert_close(logits, module(images), rtol=1e-5, atol=1e-5)
        torch.testing.assert_close(head_of(module)(features), logits, rtol=1e-5, atol=1e-5)
    assert features.shape == (3, head_of(module).in_features)


def test_a_network_of_one_image_size_is_built_for_another():
    torch.manual_seed(0)
    with torch.no_grad():
        assert build_classifier("test_vit", 4, 96).eval()(torch.zeros(1, 3, 96, 96)).shape == (1, 4)


def test_timms_residual_networks_begin_as_torchvisions():
    """torchvision starts every norm at one; timm by default starts each block's last at zero."""
    module = build_classifier("resnet18", 4, 32)
    norms = [m for m in module.modules() if isinstance(m, torch.nn.BatchNorm2d)]
    assert norms
    assert all(torch.equal(norm.weight, torch.ones_like(norm.weight)) for norm in norms)


@pytest.mark.parametrize(
    ("arch", "side"),
    [("resnet18_in", 64), ("resnet18_in", 128), ("resnet_ap10", 128), ("resnet18_bn", 64), ("resnet18_bn", 128)],
)
def test_stems_follow_the_image_size(arch, side):
    """Minimax's and IDC's: no pool up to 64 pixels, one by 2 up to 128, by 4 beyond; then three stages halve."""
    module, seen = build_classifier(arch, 4, side).eval(), []
    module.layer4.register_forward_hook(lambda _, __, output: seen.append(output.shape[-1]))
    with torch.no_grad():
        module(torch.zeros(1, 3, side, side))
    assert seen == [8]
    assert module.conv1.kernel_size == (3, 3)


def test_modified_resnet_has_a_3x3_stem_and_no_pool_at_any_size():
    module = build_classifier("resnet18_modified", 4, 256).eval()
    assert (module.conv1.kernel_size, module.conv1.stride) == ((3, 3), (1, 1))
    assert isinstance(module.pool, torch.nn.Identity)


def test_modified_resnet_names_its_weights_as_torchvision():
    torchvision = pytest.importorskip("torchvision")
    theirs = torchvision.models.resnet18(num_classes=7).state_dict()
    ours = build_classifier("resnet18_modified", 7, 32).state_dict()
    assert list(ours) == list(theirs)
    assert [n for n in ours if ours[n].shape != theirs[n].shape] == ["conv1.weight"]


@pytest.mark.parametrize("side", [64, 128, 160])
def test_batch_norm_resnet18_is_torchvisions_but_for_the_stem_of_small_images(side):
    torchvision = pytest.importorskip("torchvision")
    theirs = torchvision.models.resnet18(num_classes=7).eval()
    if side <= 128:
        theirs.conv1 = torch.nn.Conv2d(3, 64, 3, padding=1, bias=False)
    if side <= 64:
        theirs.maxpool = torch.nn.Identity()
    ours = build_classifier("resnet18_bn", 7, side).eval()
    ours.load_state_dict(theirs.state_dict())
    images = torch.randn(1, 3, side, side)
    with torch.no_grad():
        torch.testing.assert_close(ours(images), theirs(images), rtol=1e-4, atol=1e-4)


def test_instance_norm_resnet50_is_torchvisions_but_for_the_norm():
    torchvision = pytest.importorskip("torchvision")
    torch.manual_seed(0)

    def norm(width):
        return torch.nn.GroupNorm(width, width)

    theirs = torchvision.models.resnet50(num_classes=4, norm_layer=norm).eval()
    ours = build_classifier("resnet50_in", 4, 160).eval()
    ours.load_state_dict(theirs.state_dict())
    images = torch.randn(1, 3, 160, 160)
    with torch.no_grad():
        torch.testing.assert_close(ours(images), theirs(images), rtol=1e-4, atol=1e-4)
