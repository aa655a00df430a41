"""Hours of students and of their labels on one A100, by published rates; nothing here is measured.

A network trains as many images a second as ResNet-50 does, times ResNet-50's FLOPs over its own. Labels are the forward
third of a training step.
"""

from functools import cache

import torch
from torch import nn

from bench.limits import flops
from retort.artifacts.costs import ALL
from retort.evaluation.views import ViewSettings
from retort.models.classifiers import build_classifier
from retort.plan.plan import Plan

# Images a second of ResNet-50 v1.5 in training on one A100: NVIDIA DeepLearningExamples, PyTorch/Classification/
# ConvNets/resnet50v1.5/README.md, "Training performance: NVIDIA DGX A100", one GPU. Convolutions in float32 are TF32
# there as here.
PUBLISHED = {"float32": 938, "mixed": 2470}
STUDENTS = {"ResNet-18": "resnet18", "ResNet-50": "resnet50", "ResNet-101": "resnet101"}
EPOCHS, SEEDS, SIDE = 300, 3, 224
TRAIN_IMAGES = {"imagenet1k": 1_281_167, "imagenette": 9_469}


@cache
def forward_flops(arch: str, classes: int = 1000) -> int:
    """Of one image, on the meta device, where nothing is computed."""
    with torch.device("meta"), torch.inference_mode():
        network: nn.Module = build_classifier(arch, classes, SIDE).eval()
        return flops(lambda: network(torch.zeros(1, 3, SIDE, SIDE)))


def rates(arch: str) -> dict[str, float]:
    """Images a second in training, by precision."""
    share = forward_flops("resnet50") / forward_flops(arch)
    return {precision: images * share for precision, images in PUBLISHED.items()}


def hours(arch: str, views: float, precision: str, forward: bool = False) -> float:
    """Of one A100, for so many images through a training step, or forward alone."""
    return views / rates(arch)[precision] / 3600 / (3 if forward else 1)


def table() -> tuple[list[str], list[list[str]]]:
    """Heads and cells: rates, and hours of all seeds by IPC and precision, for 1,000 classes."""
    cases = [(ipc, precision) for ipc in (10, 50) for precision in PUBLISHED]
    heads = ["work", *(f"images/s, {precision}" for precision in PUBLISHED)]
    heads += [f"IPC {ipc}, {precision}" for ipc, precision in cases]
    rows = []
    for name, arch in STUDENTS.items():
        taken = [hours(arch, SEEDS * EPOCHS * 1000 * ipc, precision) for ipc, precision in cases]
        rows.append([f"{SEEDS} seeds of a {name}", *_rates(arch, 1), *map("{:.1f}".format, taken)])
    taken = [hours("resnet18", EPOCHS * 1000 * ipc, precision, forward=True) for ipc, precision in cases]
    return heads, [*rows, ["labels by a ResNet-18", *_rates("resnet18", 3), *map("{:.2f}".format, taken)]]


def images_of(plan: Plan, ipc: str) -> int:
    return TRAIN_IMAGES[plan.dataset.name] if ipc == ALL else int(ipc) * len(plan.classes)


def views_of(plan: Plan, protocol: str, method: str, ipc: str) -> int:
    """Views that one student of a set sees, and as many stored labels has the set."""
    views, images = ViewSettings(**plan.views_of(protocol, method, ipc)), images_of(plan, ipc)
    return views.extent(images, views.total_steps(images) - 1)[1]


def label_views(plan: Plan) -> list[tuple[str, int]]:
    """(protocol, views) of each file of stored labels that the runs of a config ask for."""
    files = {
        (row["method"], row["ipc"], plan.label_owner(row["protocol"]))
        for row in plan.wanted("method", "ipc", "protocol")
        if plan.stores_labels(row["protocol"])
    }
    return [(protocol, views_of(plan, protocol, method, ipc)) for method, ipc, protocol in sorted(files)]


def wanted_hours(plan: Plan, precision: str) -> dict[str, float]:
    """Students and labels of all runs of a config, on one A100, all of them in one precision."""
    students = sum(
        row["seeds"] * hours(row["student"], views_of(plan, row["protocol"], row["method"], row["ipc"]), precision)
        for row in plan.wanted_seeds()
    )
    seen = [(plan.config.teachers[plan.teacher_of(p)].arch.split(".")[0], views) for p, views in label_views(plan)]
    return {"students": students, "labels": sum(hours(arch, n, precision, forward=True) for arch, n in seen)}


def _rates(arch: str, times: int) -> list[str]:
    return [f"{float(f'{times * rate:.3g}'):,.0f}" for rate in rates(arch).values()]
