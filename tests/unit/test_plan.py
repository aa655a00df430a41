"""The plan: shards, who owns what methods and protocols share, and only what the runs need."""

import pytest
import yaml

from retort.config.load import load_config
from retort.config.plan import DEFAULT_STEPS, Plan

CONFIG = """
dataset: {kind: digits, shard_classes: 4}
models:
  vae: {kind: vae, train: {}}
  idle-vae: {kind: vae, source: some/vae, resolution: 256}
  dit: {kind: dit, encoder: vae, train: {}}
  hub: {kind: dit, encoder: vae, source: some/dit}
  idle: {kind: dit, encoder: idle-vae, source: some/other}
teachers:
  resnet: {arch: resnet8, train: {}}
  idle: {arch: resnet8, train: {}}
inversions:
  ddim: {model: dit, steps: 40, stop: 20, guidance: 2.0}
  twin: {model: dit, steps: 40, stop: 20, guidance: 2.0}
methods:
  random: {select: random}
  full: {select: all}
  noise: {generate: {model: hub, guidance: 3.0}}
  short: {generate: {model: dit, steps: 10}}
  d3hr: {generate: {model: dit, start: {inversion: ddim}, guidance: 4.0}}
  weak: {generate: {model: dit, start: {inversion: ddim}, guidance: 1.0}}
  matched: {generate: {model: dit, start: {inversion: ddim, first_step: matched}}}
  fewer: {generate: {model: dit, start: {inversion: ddim, groups: 10}}}
  exact: {generate: {model: dit, start: {inversion: ddim, search: closed-form}}}
  elsewhere: {generate: {model: dit, start: {inversion: twin}}}
  never: {generate: {model: idle}}
protocols:
  hard: &hard
    labels: hard
    views: {steps: 10, batch: 8}
    optimizer: {kind: sgd, lr: 0.1, schedule: constant}
  soft: &soft {<<: *hard, labels: {teacher: resnet}}
  hot: {<<: *soft, temperature: 4, evaluations: 2}
  adam: {<<: *soft, optimizer: {kind: adamw, lr: 0.1, schedule: half-cosine}}
  longer: {<<: *soft, views: {steps: 20, batch: 8}}
  flipped: {<<: *soft, views: {steps: 10, batch: 8, flip: true}}
  judged: {<<: *soft, labels: {teacher: idle}}
  static: {<<: *soft, labels: {teacher: resnet, kind: static}}
  static-longer: {<<: *soft, labels: {teacher: resnet, kind: static}, views: {steps: 20}}
  online: {<<: *soft, labels: {teacher: resnet, kind: online}}
runs:
  - {methods: [random, full, noise], ipc: [1, 10], protocols: [hard, soft], students: [resnet8], seeds: 2}
  - {methods: [d3hr], ipc: [10, 5], protocols: [hard], students: [resnet8, convnet3], seeds: 1}
  - {methods: [random], ipc: [10], protocols: [hard], students: [resnet8], seeds: 5}
"""


def plan_for(methods: list[str] | None = None, protocols: list[str] | None = None, classes=10, **dataset) -> Plan:
    raw = yaml.safe_load(CONFIG)
    raw["dataset"] |= dataset
    if methods:
        raw["runs"] = [{"methods": methods, "ipc": [1], "protocols": protocols or ["hard"], "students": ["resnet8"]}]
    return Plan(load_config(raw), [f"class{i}" for i in range(classes)])


@pytest.fixture(scope="module")
def plan() -> Plan:
    return plan_for()


# ---------------------------------------------------------------- shards


@pytest.mark.parametrize(
    ("classes", "size", "sizes"),
    [(10, 10, [10]), (10, 4, [4, 4, 2]), (3, 5, [3]), (2, 1, [1, 1]), (1000, 64, [64] * 15 + [40])],
)
def test_shards_are_consecutive_complete_and_of_the_size_asked_for(classes, size, sizes):
    plan = plan_for(classes=classes, shard_classes=size)
    assert [len(members) for members in plan.shards.values()] == sizes
    assert [i for members in plan.shards.values() for i in members] == list(range(classes))
    assert list(plan.shards) == [f"{i:04d}" for i in range(len(sizes))]


def test_shard_names_the_classes_at_its_label_indices(plan):
    assert plan.shard_class_ids("0002") == ["class8", "class9"]


# ---------------------------------------------------------------- starts


@pytest.mark.parametrize("method", ["d3hr", "weak", "matched"])
def test_methods_with_the_same_draw_share_its_first_owner_whatever_they_sample_from_it(plan, method):
    assert plan.start_owner(method) == "d3hr"


@pytest.mark.parametrize("method", ["fewer", "exact", "elsewhere"])
def test_methods_with_another_draw_own_theirs(plan, method):
    assert plan.start_owner(method) == method


@pytest.mark.parametrize("method", ["random", "full", "noise"])
def test_methods_without_an_inversion_have_no_start(plan, method):
    assert plan.start_of(method) is None


@pytest.mark.parametrize(
    ("method", "sampling"),
    [
        ("noise", {"steps": DEFAULT_STEPS, "first": DEFAULT_STEPS - 1, "guidance": 3.0}),
        ("short", {"steps": 10, "first": 9, "guidance": 4.0}),
        ("weak", {"steps": 40, "first": 21, "guidance": 1.0}),  # D3HR's code: one step noisier than the latents are
        ("matched", {"steps": 40, "first": 20, "guidance": 4.0}),
    ],
)
def test_sampling_begins_at_pure_noise_or_at_the_inversion_by_reference_or_matched(plan, method, sampling):
    assert plan.sampling_of(method) == sampling


# ---------------------------------------------------------------- labels


@pytest.mark.parametrize(
    ("protocol", "owner"),
    [
        ("soft", "soft"),
        ("hot", "soft"),  # the temperature is the student's affair
        ("adam", "soft"),
        ("longer", "longer"),
        ("flipped", "flipped"),
        ("judged", "judged"),
        ("static", "static"),
        ("static-longer", "static"),  # one label an image, however it is viewed
    ],
)
def test_stored_labels_are_shared_by_protocols_that_would_store_the_same(plan, protocol, owner):
    assert plan.stores_labels(protocol)
    assert plan.label_owner(protocol) == owner


@pytest.mark.parametrize(("protocol", "teacher"), [("hard", None), ("online", "resnet")])
def test_hard_and_online_labels_are_not_stored(plan, protocol, teacher):
    assert not plan.stores_labels(protocol)
    assert plan.labelling_of(protocol) is None
    assert plan.teacher_of(protocol) == teacher


# ---------------------------------------------------------------- what the runs need


def test_seeds_are_the_most_that_any_run_asks_for(plan):
    assert plan.seeds_of("random", "10", "hard", "resnet8") == 5
    assert plan.seeds_of("random", "1", "hard", "resnet8") == 2
    assert plan.seeds_of("full", "all", "soft", "resnet8") == 2
    assert plan.seeds_of("d3hr", "5", "hard", "convnet3") == 1
    assert plan.seeds_of("d3hr", "5", "soft", "convnet3") == 0


@pytest.mark.parametrize(
    ("methods", "protocols", "models", "encoders", "teachers"),
    [
        (["random", "full"], ["hard"], [], [], []),
        (["random"], ["soft", "judged"], [], [], ["resnet", "idle"]),
        (["d3hr", "noise"], ["online"], ["dit", "hub"], ["vae"], ["resnet"]),
        (["never"], ["hard"], ["idle"], ["idle-vae"], []),
    ],
)
def test_only_what_the_runs_need_is_used(methods, protocols, models, encoders, teachers):
    plan = plan_for(methods, protocols)
    assert plan.used_models() == models
    assert plan.used_encoders() == encoders
    assert plan.used_teachers() == teachers


def test_trained_and_fetched_models_are_told_apart(plan):
    assert plan.used_models(trained=True) == ["dit"]
    assert plan.used_models(trained=False) == ["hub"]
    assert plan.model_names("vae") == ["vae", "idle-vae"]
    assert plan.model_names(trained=False) == ["idle-vae", "hub", "idle"]


def test_wanted_names_each_combination_once_in_run_order(plan):
    assert plan.wanted("method") == [{"method": m} for m in ("random", "full", "noise", "d3hr")]
    assert plan.wanted("ipc", "student", methods=["d3hr"]) == [
        {"ipc": ipc, "student": student} for ipc in ("10", "5") for student in ("resnet8", "convnet3")
    ]


def test_smallest_sets_leave_out_the_full_one(plan):
    sets = [("random", "1"), ("noise", "1"), ("d3hr", "5")]
    assert plan.smallest_sets() == [{"method": method, "ipc": ipc} for method, ipc in sets]


def test_method_that_no_run_names_gets_every_size_that_others_get(plan):
    assert plan.ipcs_of("exact") == ["1", "10", "5"]
    assert plan.ipcs_of("full") == ["all"]


def test_encoder_works_at_its_own_resolution_or_at_the_data_sets(plan):
    assert plan.codec_settings("vae")["resolution"] == 32
    assert plan.codec_settings("idle-vae")["resolution"] == 256


def test_provenance_tells_the_method_its_models_and_its_inversion_and_nothing_else(plan):
    told = plan.provenance_of("d3hr")
    assert told["settings"]["generate"]["guidance"] == 4.0
    assert set(told["models"]) == {"dit", "vae"}
    assert told["inversions"]["ddim"]["stop"] == 20
    assert (plan.provenance_of("random")["models"], plan.provenance_of("random")["inversions"]) == ({}, {})
    assert plan_for(shard_classes=1).provenance_of("d3hr") == told  # sharding changes no result
