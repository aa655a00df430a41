"""Which published numbers stand beside the runs of the ready configs, one line a row.

A number in brackets stands in the column "published, other teacher".
"""

import pytest
import yaml
from tests.helpers.workspace import REPOSITORY

from retort.config.load import load_config
from retort.data.classes import class_list
from retort.plan.plan import Plan
from retort.plan.reported import reported_for

BESIDE = {
    "imagenet1k": """
        dit-ddpm 10 soft: resnet18 39.6
        rded 10 soft: resnet18 42.0, resnet101 48.3
        mgd3 10 soft: resnet18 45.6
        dit-ddpm 50 soft: resnet18 52.9
        rded 50 soft: resnet18 56.5, resnet101 61.2
        coda 50 soft: resnet18 (60.4)
        mgd3 50 soft: resnet18 60.2
        d3hr 10 soft-d3hr: resnet18 44.3, resnet101 52.1
        d3hr 50 soft-d3hr: resnet18 59.4, resnet101 66.1
        cao2 10 soft-cao2: resnet18 46.1, resnet101 52.2
        cao2-many 50 soft-cao2: resnet18 60.0, resnet101 66.2
    """,
    "imagenet100": """
        rded 10 soft: resnet18 (36.0), resnet101 (33.9)
        rded 50 soft: resnet18 (61.6), resnet101 (66.0)
        cao2 10 soft-cao2: resnet18 (36.6), resnet101 (34.5)
        cao2-many 50 soft-cao2: resnet18 (68.0), resnet101 (70.8)
    """,
    "imagenette": """
        rded 10 soft: resnet18 (61.4), resnet101 (54.0)
        rded 50 soft: resnet18 (80.4), resnet101 (75.0)
        cao2 10 soft-cao2: resnet18 (65.0), resnet101 (66.3)
        cao2-many 50 soft-cao2: resnet18 (84.5), resnet101 (81.7)
    """,
    "imagenette-hard": """
        random 10 hard: resnet_ap10 54.2
        random 20 hard: resnet_ap10 63.5
        random 50 hard: resnet_ap10 76.1
        dit-ddpm 10 hard: resnet_ap10 59.1
        dit-ddpm 20 hard: resnet_ap10 64.8
        dit-ddpm 50 hard: resnet_ap10 73.3
        minimax 10 hard: resnet_ap10 62.0
        minimax 20 hard: resnet_ap10 66.8
        minimax 50 hard: resnet_ap10 76.6
        mgd3 10 hard: resnet_ap10 66.4
        mgd3 20 hard: resnet_ap10 71.2
        mgd3 50 hard: resnet_ap10 79.5
        mgd3-nearest 10 hard: resnet_ap10 (64.6)
    """,
    "imagewoof": """
        rded 10 soft: resnet18 (38.5), resnet101 (31.3)
        rded 50 soft: resnet18 (68.5), resnet101 (59.1)
        cao2 10 soft-cao2: resnet18 (45.6), resnet101 (36.5)
        cao2-many 50 soft-cao2: resnet18 (68.9), resnet101 (63.1)
    """,
    "imagewoof-hard": """
        random 10 hard: convnet6 24.3, resnet_ap10 29.4, resnet18_in 27.7
        random 20 hard: convnet6 29.1, resnet_ap10 32.7, resnet18_in 29.7
        random 50 hard: convnet6 41.3, resnet_ap10 47.2, resnet18_in 47.9
        random 100 hard: convnet6 52.2, resnet_ap10 59.4, resnet18_in 61.5
        dit-ddpm 10 hard: convnet6 34.2, resnet_ap10 34.7, resnet18_in 34.7
        dit-ddpm 20 hard: convnet6 36.1, resnet_ap10 41.1, resnet18_in 40.5
        dit-ddpm 50 hard: convnet6 46.5, resnet_ap10 49.3, resnet18_in 50.1
        dit-ddpm 100 hard: convnet6 53.4, resnet_ap10 58.3, resnet18_in 58.9
        minimax 10 hard: convnet6 37.0, resnet_ap10 39.2, resnet18_in 37.6
        minimax 20 hard: convnet6 37.6, resnet_ap10 45.8, resnet18_in 42.5
        minimax 50 hard: convnet6 53.9, resnet_ap10 56.3, resnet18_in 57.1
        minimax 100 hard: convnet6 61.1, resnet_ap10 64.5, resnet18_in 65.7
        mgd3-tuned 10 hard: convnet6 34.73, resnet_ap10 40.4, resnet18_in 38.5
        mgd3-tuned 20 hard: convnet6 39.0, resnet_ap10 43.6, resnet18_in 41.9
        mgd3-tuned 50 hard: convnet6 54.5, resnet_ap10 56.5, resnet18_in 58.3
    """,
    "cifar10": """
        rded 10 soft: resnet18_modified (37.1)
        rded 50 soft: resnet18_modified (62.1)
    """,
    "cifar100": """
        rded 10 soft: resnet18_modified (42.6)
        rded 50 soft: resnet18_modified (62.6)
    """,
    "tiny-imagenet": """
        rded 10 soft: resnet18_modified (41.9)
        rded 50 soft: resnet18_modified (58.2)
    """,
    "imagenet-a-e": "",
    "smoke": "",
    "own-folder": "",
    "fashion": "",
    "fashion-models": "",
    "fashion-compositions": "",
}


def beside(name: str) -> list[str]:
    config = load_config(yaml.safe_load((REPOSITORY / "configs" / f"{name}.yaml").read_text()))
    here = config.dataset.kind in ("digits", "folder")  # whose classes need not be known where nothing is published
    rows = {}
    for row in reported_for(Plan(config, [] if here else class_list(config.dataset))):
        number = f"({row['top1']})" if row["differs"] else str(row["top1"])
        cell = f"{row['method']} {row['ipc']} {row['protocol']}"
        rows.setdefault(cell, []).append(f"{row['student']} {number}")
    return [f"{cell}: {', '.join(numbers)}" for cell, numbers in rows.items()]


@pytest.mark.parametrize("name", BESIDE)
def test_what_stands_beside_a_config(name, monkeypatch):
    monkeypatch.chdir(REPOSITORY)
    assert beside(name) == [line.strip() for line in BESIDE[name].strip().splitlines()]


def test_every_ready_config_is_looked_at():
    assert set(BESIDE) == {path.stem for path in (REPOSITORY / "configs").glob("*.yaml")}
