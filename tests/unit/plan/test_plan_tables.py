"""What the tables ask of the plan."""

import pytest
import yaml
from tests.helpers.workspace import REPOSITORY

from retort.config.load import load_config
from retort.plan.plan import Plan

PLAIN = {"steps": 5, "crop": [1.0, 1.0], "flip": False, "cutmix": 0}


@pytest.fixture
def raw() -> dict:
    return yaml.safe_load((REPOSITORY / "configs" / "smoke.yaml").read_text())


def plan(raw: dict) -> Plan:
    return Plan(load_config(raw), ["0", "1"])


def test_a_protocol_finds_the_one_that_differs_in_augmentation_only(raw):
    hard = raw["protocols"]["hard"]
    raw["protocols"] |= {
        "plain": hard | {"views": hard["views"] | PLAIN},
        "longer": hard | {"views": hard["views"] | PLAIN | {"steps": 6}},
        "faster": hard | {"views": hard["views"] | PLAIN, "optimizer": hard["optimizer"] | {"lr": 1.0}},
    }
    assert plan(raw).plain_twins() == {}  # no run names it
    raw["runs"][0]["protocols"] = ["hard", "plain", "longer", "faster"]
    assert plan(raw).plain_twins() == {"hard": "plain"}
    assert plan(raw).hard_protocols() == ["hard", "plain", "longer", "faster"]


def test_without_a_protocol_without_augmentation_there_are_no_twins(raw):
    assert plan(raw).plain_twins() == {}


def test_every_row_of_a_table_has_its_number_of_seeds(raw):
    raw["runs"] = [
        {"methods": ["random", "full"], "ipc": [1, 2], "protocols": ["hard"], "students": ["resnet8"], "seeds": 2},
        {"methods": ["random"], "ipc": [2], "protocols": ["hard"], "students": ["resnet8"], "seeds": 5},
    ]
    wanted = {(cell["method"], cell["ipc"]): cell["seeds"] for cell in plan(raw).wanted_seeds()}
    assert wanted == {("random", "1"): 2, ("random", "2"): 5, ("full", "all"): 2}
    assert {cell["method"] for cell in plan(raw).wanted_seeds(["full"])} == {"full"}


def test_methods_are_compared_with_the_samples_of_their_own_model(raw):
    twins = plan(raw).unguided_twins()
    assert {name: twins.get(name) for name in ("dit", "d3hr", "cao2", "coda")} == dict.fromkeys(
        ("dit", "d3hr", "cao2", "coda"), "dit"
    )
    assert not twins.keys() & {"random", "rded", "ddps", "coda-real", "full"}
    del raw["methods"]["dit"]
    raw["runs"][0]["methods"].remove("dit")
    assert plan(raw).unguided_twins() == {}
