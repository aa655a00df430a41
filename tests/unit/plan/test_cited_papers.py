"""Which papers are cited beside the methods of the config that has most of them."""

from pathlib import Path

import pytest
import yaml

from retort.config.load import load_config
from retort.plan.plan import Plan
from retort.plan.used_parts import used_parts

ROOT = Path(__file__).resolve().parents[3]
CITED = {
    "minimax": "Minimax Diffusion",
    "el2n": "Data Diet",
    "grand": "Data Diet",
    "forgetting": "Example Forgetting",
    "aum": "Area Under the Margin",
    "k-centre": "Core-Set",
    "herding": "Herding",
    "coda": "Hierarchical Density Estimates",
    "d4m": "D4M",
    "asf": "Adaptive Sampling",
    "cgs": "Mitigating the Distribution Shift",
    "mgd3": "MGD3",
    "d3hr": "High Representativeness",
    "cao2-many": "CaO2",
}


@pytest.fixture(scope="module")
def methods() -> dict:
    config = load_config(yaml.safe_load((ROOT / "configs" / "imagenet1k.yaml").read_text()), [])
    plan = Plan(config, [f"n{number:08}" for number in range(1000)])
    return used_parts(plan.with_every_method())["methods"]


@pytest.mark.parametrize("method", CITED)
def test_a_method_cites_its_paper(methods, method):
    assert any(CITED[method] in paper["title"] for paper in methods[method]["papers"])


def test_a_choice_of_groups_does_not_cite_the_paper_of_another_choice_from_a_pool(methods):
    assert not any("CaO2" in paper["title"] for paper in methods["s3"]["papers"])
