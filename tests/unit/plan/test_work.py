"""Requests of time follow the FLOPs that the stages compute, counted here on the true shapes."""

import pytest
import torch
import yaml
from bench import real_run
from bench.limits import flops
from tests.unit.house.test_docs import ROOT

from retort.config.architectures import ARCHITECTURES, smallest_side
from retort.config.load import load_config
from retort.data.classes import class_list
from retort.models.classifiers import build_classifier
from retort.plan.plan import Plan
from retort.plan.work import A_DAY, CLASSIFIERS, START, Work, WorkOf, classifier_call

SUSTAINED = 120.0  # TFLOP/s
LEAST, MOST = 2, 10  # times what that would take
SHARD, SET = 50 * 1282, 1000 * 10  # images of 50 classes of ImageNet, and of a set of 10 a class


@pytest.fixture(scope="module")
def calls() -> dict[str, float]:
    """TFLOP of a call, by model."""
    with torch.device("meta"):
        counted = {name: value / 1e12 for name, value in real_run.counted().items()}
        return counted | {"ResNet-101": forward("resnet101", 224)}


def forward(arch: str, side: int) -> float:
    with torch.device("meta"), torch.inference_mode():
        network = build_classifier(arch, 1000, side).eval()
        return flops(lambda: network(torch.zeros(1, 3, side, side))) / 1e12


@pytest.fixture(scope="module")
def work() -> WorkOf:
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(ROOT)
        config = load_config(yaml.safe_load((ROOT / "configs" / "imagenet1k.yaml").read_text()), [])
    return WorkOf(Plan(config, class_list(config.dataset)))


def of_shard(**wildcards) -> dict[str, str]:
    return {"shard": "0000"} | {name: str(value) for name, value in wildcards.items()}


# What stages compute as the papers' constants in configs/imagenet1k.yaml have it: rule, wildcards, model -> calls.
COMPUTED = [
    ("encode_latents", of_shard(encoder="vae-256"), {"encode 256": SHARD}),
    ("encode_latents", of_shard(encoder="vae-512"), {"encode 512": SHARD}),
    ("encode_latents", of_shard(encoder="vae-1024"), {"encode 1024": SHARD}),
    ("describe_images", of_shard(teacher="resnet18"), {"ResNet-18": SHARD}),
    ("invert_latents", of_shard(inversion="ddim"), {"DiT-XL/2": SHARD * 60}),
    ("invert_latents", of_shard(inversion="ddim-sd"), {"SD 1.5": SHARD * 60}),
    ("score_typicality", of_shard(typicality="dit"), {"DiT-XL/2": SHARD * 200}),
    ("score_typicality", of_shard(typicality="sd"), {"SD 1.5": SHARD * 200}),
    ("train_dynamics", {"dynamics": "resnet18", "run": "0"}, {"ResNet-18": 3 * 20 * 1000 * 1282}),
    ("record_dynamics", of_shard(dynamics="resnet18"), {"ResNet-18": SHARD * 20}),
    ("score_crops", of_shard(method="rded"), {"ResNet-18": 50 * 300 * 5}),
    ("rank_patches", of_shard(method="ddps"), {"ResNet-18": 50 * 1000}),
    ("generate_images", of_shard(method="dit", number=50), {"DiT-XL/2": 2500 * 100, "decode 256": 2500}),
    ("generate_images", of_shard(method="d3hr", number=50), {"DiT-XL/2": 2500 * 64, "decode 256": 2500}),
    ("generate_images", of_shard(method="cao2", number=200), {"DiT-XL/2": 10000 * 100, "decode 256": 10000}),
    ("generate_images", of_shard(method="sdxl", number=50), {"SDXL": 2500 * 50, "decode 1024": 2500}),
    ("generate_images", of_shard(method="coda", number=10), {"SDXL": 500 * 50, "decode 1024": 500}),
    ("generate_images", of_shard(method="d3hr-sd", number=10), {"SD 1.5": 500 * 64, "decode 512": 500}),
    ("choose_from_pool", of_shard(method="cao2", ipc=10), {"ResNet-18": 2000}),
    ("describe_subgroups", of_shard(method="s3", ipc=10), {"ResNet-18": 2500}),
    ("refine_latents", of_shard(method="cao2", ipc=10), {real_run.GRADIENT: 500 * 100, "decode 256": 500}),
    ("refine_latents", of_shard(method="cao2-sdxl", ipc=10), {"SDXL": 500 * 200, "decode 1024": 500}),
    ("judge_model", {"model": "dit"}, {"DiT-XL/2": 100 * 150, "decode 256": 200}),
    ("judge_model", {"model": "sdxl"}, {"SDXL": 100 * 150, "decode 1024": 200}),
    ("measure_encoder", {"encoder": "vae-256"}, {"encode 256": 1000, "decode 256": 1000}),
    ("adopt_teacher", {"teacher": "resnet18"}, {"ResNet-18": 50_000}),
    ("measure_raw_teacher", {"teacher": "resnet18"}, {"ResNet-18": 50_000}),
    ("relabel_set", {"method": "dit", "ipc": "10", "protocol": "soft"}, {"ResNet-18": SET * 300}),
    ("measure_quality", {"method": "dit", "ipc": "10", "teacher": "resnet18"}, {"ResNet-18": SET}),
    *(
        (
            rule,
            {"method": "sdxl", "ipc": ipc, "protocol": "soft", "student": student},
            {name: seeds * (3 * 300 * int(ipc) * 1000 + 31 * 50_000)},  # a step of three calls, 31 tests
        )
        for rule, seeds, ipc, student, name in (
            ("train_students", 3, "10", "resnet18", "ResNet-18"),
            ("train_students", 3, "50", "resnet18", "ResNet-18"),
            ("train_students", 3, "10", "resnet101", "ResNet-101"),
            ("train_one_student", 1, "50", "resnet101", "ResNet-101"),
        )
    ),
]


@pytest.mark.parametrize(
    ("rule", "wildcards", "models"), COMPUTED, ids=lambda value: value if isinstance(value, str) else ""
)
def test_a_full_size_stage_asks_for_two_to_ten_times_what_its_flops_take(work, calls, rule, wildcards, models):
    """Beside the start, which is the same for all, and reading, launching and so on, which are no FLOPs."""
    found = getattr(work, rule)(wildcards)
    counted = sum(number * calls[name] for name, number in models.items()) / SUSTAINED / 60
    asked = found.expected - START - found.seconds / 60
    assert LEAST * counted <= asked <= MOST * counted
    assert found.minutes(1) == min(A_DAY, round(found.expected))


def test_every_stage_that_has_work_is_counted(work):
    """But for trainings of models, whose lengths the config says."""
    stages = {name for name, member in vars(WorkOf).items() if callable(member) and "wildcards" in _arguments(member)}
    inner = {"classes", "images", "set_images", "student", "students", "seeds_apart", "_views"}
    trainings = {"train_vae", "train_dit", "train_teacher", "export_set"}
    assert stages - inner - trainings == {rule for rule, _, _ in COMPUTED}


def _arguments(function) -> tuple[str, ...]:
    return function.__code__.co_varnames


def test_what_is_not_counted_in_flops_is_no_more_than_what_is_on_a_large_job(work):
    """Reading and launching must not blow up what generating, inverting and scoring ask for."""
    for rule, wildcards, models in COMPUTED:
        found = getattr(work, rule)(wildcards)
        if set(models) & {"DiT-XL/2", "SDXL", "SD 1.5", real_run.GRADIENT}:
            assert found.seconds / 60 <= found.expected / 2


def test_the_training_of_a_full_size_dit_follows_its_steps(calls):
    config = load_config({"extends": str(ROOT / "configs" / "cifar10.yaml")}, [])
    found = WorkOf(Plan(config, class_list(config.dataset))).train_dit({"model": "dit"})
    counted = 3 * 20_000 * 64 * calls["DiT-XL/2"] / SUSTAINED / 60
    assert LEAST * counted <= found.expected - START - found.seconds / 60 <= MOST * counted


def test_no_attempt_asks_for_more_than_a_day():
    work = Work(half=30 * 60 * 600)  # ten hours
    assert [work.minutes(attempt) for attempt in (1, 2, 3)] == [600 + START, 2 * (600 + START), A_DAY]
    assert Work(single=1e9).minutes() == A_DAY


@pytest.mark.parametrize("arch", ARCHITECTURES)
@pytest.mark.parametrize("side", [32, 64, 128, 224])
def test_our_classifiers_have_the_flops_of_the_table(arch, side):
    if side >= smallest_side(arch):
        assert forward(arch, side) == pytest.approx(classifier_call(arch, side), rel=0.2)


@pytest.mark.parametrize(
    ("arch", "known"),
    [
        ("resnet18.tv_in1k", "resnet18"),
        ("resnet50.a1_in1k", "resnet50"),
        ("resnet152", "resnet152"),
        ("mobilenetv2_100", "mobilenetv2"),
        ("vit_tiny_patch16_224", "vit_tiny"),
        ("swin_tiny_patch4_window7_224", "swin_tiny"),
    ],
)
def test_classifiers_of_timm_are_known_by_their_name_without_its_tag(arch, known):
    assert classifier_call(arch, 224) == CLASSIFIERS[known][224] / 1e3
    assert forward(arch.partition(".")[0], 224) == pytest.approx(classifier_call(arch, 224), rel=0.05)


def test_an_unknown_classifier_counts_as_a_large_one():
    assert classifier_call("regnety_032", 224) == classifier_call("resnet101", 224)
