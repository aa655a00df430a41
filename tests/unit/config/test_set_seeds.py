"""Several sets of one method, by set_seeds of a run: the methods that they become, and what is refused."""

import pytest
from tests.helpers.plans import plan_for
from tests.unit.config.test_config import edited, mistakes

from retort.config.load import load_config
from retort.config.set_seeds import other_sets
from retort.plan.plan import Plan

CONFIG = """
dataset: {kind: digits, shard_classes: 4}
models: {vae: {kind: vae, train: {}}, dit: {kind: dit, encoder: vae, train: {}}}
teachers: {resnet: {arch: resnet8, train: {}}}
inversions: {ddim: {model: dit, steps: 40, stop: 20}}
methods:
  random: {select: random}
  dit: {generate: {model: dit}}
  d3hr: {generate: {model: dit, start: {inversion: ddim}}}
  herding: {select: {coverage: herding, encoder: vae}}
  kmeans: {select: {coverage: kmeans, encoder: vae}}
  full: {select: all}
protocols:
  hard: {labels: hard, views: {steps: 10}, optimizer: {kind: sgd, lr: 0.1, schedule: constant}}
runs:
  - methods: [random, dit, d3hr, herding, kmeans]
    ipc: [1]
    protocols: [hard]
    students: [resnet8]
    seeds: 2
    set_seeds: 3
  - {methods: [random, full], ipc: [10], protocols: [hard], students: [resnet8], seeds: 2}
"""


@pytest.fixture(scope="module")
def plan() -> Plan:
    return plan_for(text=CONFIG)


@pytest.fixture(scope="module")
def before() -> Plan:
    return plan_for(text=CONFIG.replace("    set_seeds: 3\n", ""))


def test_each_method_that_draws_has_so_many_sets_and_others_have_one(plan):
    of_first = [row["method"] for row in plan.wanted("method", "ipc") if row["ipc"] == "1"]
    assert of_first == [
        *(f"{name}{end}" for name in ("random", "dit", "d3hr") for end in ("", "-set1", "-set2")),
        *("herding", "kmeans", "kmeans-set1", "kmeans-set2"),
    ]
    assert [row["method"] for row in plan.wanted("method", "ipc") if row["ipc"] == "10"] == ["random"]
    assert plan.of_one_set() == ["herding", "full"]
    assert plan.other_sets["dit-set2"] == {"method": "dit", "set_seed": 2}
    assert plan.with_other_sets("dit") == ["dit", "dit-set1", "dit-set2"]


def test_set_0_is_the_set_that_there_is_without_the_key(plan, before):
    assert other_sets(before.config) == []
    for method in before.wanted_methods:
        assert plan.config.methods[method] == before.config.methods[method]
        assert plan.seed_of(method) == before.seed_of(method) == plan.seed
        jobs = plan.jobs_of("generate_images", method, "1"), before.jobs_of("generate_images", method, "1")
        assert jobs[0] == jobs[1]


def test_other_sets_differ_from_it_in_their_seed_alone(plan):
    seeds = {plan.seed_of(name) for name in plan.with_other_sets("d3hr")}
    assert len(seeds) == 3
    one, other = (plan.config.methods[name].model_dump(exclude={"seed"}) for name in ("d3hr", "d3hr-set2"))
    assert one == other
    assert plan.seed_of("d3hr-set1") == plan.seed_of("random-set1")  # as of sets by the key seed
    assert plan.unguided_twins()["d3hr-set1"] == "dit-set1"


def test_others_are_given_the_set_that_the_name_stands_for(plan):
    names = {row["method"] for row in plan.exported_sets()}
    assert names == {"random", "dit", "d3hr", "herding", "kmeans"}
    assert {row["method"] for row in plan.smallest_sets()} == names
    assert len(plan.distilled_sets()) == 14


def test_what_was_expanded_says_the_same_again(plan):
    assert [one.name for one in other_sets(plan.config)] == list(plan.other_sets)
    assert len(plan.other_sets) == 8


@pytest.mark.parametrize(
    ("edits", "place", "words"),
    [
        (
            [("runs.0.set_seeds", 2), ("methods.noise-set1", {"select": "random"})],
            "methods.noise-set1",
            ["set 1 of noise", "choose another"],
        ),
        ([("runs.0.set_seeds", 2), ("methods.noise.seed", 4)], "runs[0].set_seeds", ["'noise' has a seed of its own"]),
        ([("runs.0.set_seeds", 0)], "runs[0].set_seeds", ["at least 1"]),
    ],
)
def test_mistakes_are_named_with_their_place(edits, place, words):
    raw = edited(("runs.0.methods", ["noise"]), *edits)
    ((where, said),) = mistakes(raw)
    assert where == place
    assert all(word in said for word in words), said


def test_names_are_free_where_no_set_wants_them():
    assert load_config(edited(("methods.noise-set1", {"select": "random"})))
