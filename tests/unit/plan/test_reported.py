"""Published numbers stand beside a row only where everything agrees with the paper's."""

import copy

import pytest
import yaml
from tests.helpers.workspace import REPOSITORY

from retort.config.load import load_config
from retort.data.imagenet import imagenet_classes, subset_classes
from retort.plan.plan import Plan
from retort.plan.published_methods import contradictions, published_methods
from retort.plan.reported import reported_for

CONFIG = yaml.safe_load((REPOSITORY / "configs" / "imagenet1k.yaml").read_text())


def edited(base: dict, changes: dict) -> dict:
    """`changes` laid over `base`; a table is merged, everything else replaced."""
    merged = copy.deepcopy(base)
    for key, value in changes.items():
        both = isinstance(value, dict) and isinstance(merged.get(key), dict)
        merged[key] = edited(merged[key], value) if both else value
    return merged


def plan_of(changes: dict, run: dict) -> Plan:
    raw = edited(CONFIG, changes)
    raw["runs"] = [run]
    config = load_config(raw)
    subset = config.dataset.subset
    return Plan(config, list(subset_classes(subset) if subset else imagenet_classes()))


def run_of(method: str, ipc: int, protocol: str, student: str) -> dict:
    return {"methods": [method], "ipc": [ipc], "protocols": [protocol], "students": [student], "seeds": 1}


WOOF = {
    "dataset": {"subset": "imagewoof", "resolution": 256, "test_crop": 1.0},
    "protocols": {"hard": {"preset": "hard-10"}},
}
ORIGINAL = {"model": "dit-original", "sampler": "ddpm", "steps": 50, "guidance": 4.0, "guided_channels": 3}
DIT = {"methods": {"dit": {"generate": ORIGINAL}}}

# Rows that have a number: the changes to configs/imagenet1k.yaml, the row, the number.
D3HR = ({}, ("d3hr", 10, "soft-d3hr", "resnet18"), 44.3)
RDED = ({}, ("rded", 50, "soft", "resnet101"), 61.2)
RANDOM = (WOOF, ("random", 10, "hard", "convnet6"), 24.3)
PLAIN = (edited(WOOF, DIT), ("dit", 100, "hard", "resnet18_in"), 58.9)
ROWS = {"d3hr": D3HR, "rded": RDED, "random": RANDOM, "dit": PLAIN}


def found(row, **changes) -> list[dict]:
    base, cell, _ = row
    return reported_for(plan_of(edited(base, changes), run_of(*cell)))


@pytest.mark.parametrize("row", ROWS.values(), ids=ROWS)
def test_a_row_that_agrees_in_everything_has_its_number(row):
    _, cell, top1 = row
    (told,) = found(row)
    assert (told["method"], told["ipc"], told["protocol"], told["student"]) == (cell[0], str(cell[1]), *cell[2:])
    assert (told["top1"], told["differs"]) == (top1, "")


def test_what_is_told_of_a_number():
    (told,) = found(D3HR)
    assert told == {"method": "d3hr", "ipc": "10", "protocol": "soft-d3hr", "student": "resnet18"} | {
        "top1": 44.3,
        "std": 0.3,
        "epoch": "best",
        "test_images": 50_000,
        "status": "author's table",
        "source": "D3HR (ICML 2025), Table A7; the standard deviation is unconfirmed",
        "differs": "",
    }


ANYWHERE = [
    {"dataset": {"max_per_class": 100}},
    {"dataset": {"subset": "imagenet-a"}},
    {"dataset": {"resolution": 64}},
    {"dataset": {"test_crop": 0.5}},
    {"dataset": {"test_resize": "bicubic"}},
    {"methods": {name: {"side": 300} for name in ("d3hr", "rded", "random", "dit")}},
    *({"protocols": {name: {"evaluations": 7} for name in ("soft", "soft-d3hr", "hard")}},),
    *({"protocols": {name: {"views": {"batch": 10}} for name in ("soft", "soft-d3hr", "hard")}},),
    *({"protocols": {name: {"precision": "bfloat16"} for name in ("soft", "soft-d3hr", "hard")}},),
    *({"protocols": {name: {"views": {"epochs": 301}} for name in ("soft", "soft-d3hr", "hard")}},),
    {"protocols": {"soft": {"temperature": 4}, "soft-d3hr": {"temperature": 4}, "hard": {"optimizer": {"lr": 1}}}},
]


@pytest.mark.parametrize("changes", ANYWHERE, ids=str)
@pytest.mark.parametrize("row", ROWS.values(), ids=ROWS)
def test_another_data_set_image_or_protocol_leaves_none(row, changes):
    assert found(row, **changes) == []


@pytest.mark.parametrize("at", range(4), ids=["method", "ipc", "protocol", "student"])
@pytest.mark.parametrize("row", ROWS.values(), ids=ROWS)
def test_another_method_size_protocol_or_student_leaves_none(row, at):
    base, cell, _ = row
    other = ("coda-real", 11, "soft-cao2", "resnet34")[at]
    assert found((base, (*cell[:at], other, *cell[at + 1 :]), None)) == []


# Settings of methods that are not the paper's, and the first words of why.
CONTRADICTIONS = [
    ("d3hr", {"methods": {"d3hr": {"generate": {"guidance": 2.0}}}}, "generate.guidance is 2.0"),
    ("d3hr", {"methods": {"d3hr": {"generate": {"start": "noise"}}}}, "inversion is not there"),
    ("d3hr", {"methods": {"d3hr": {"generate": {"start": {"groups": 99_999}}}}}, "generate.start.groups is 99999"),
    ("d3hr", {"methods": {"d3hr": {"generate": {"start": {"search": "closed-form"}}}}}, "generate.start.search is"),
    ("d3hr", {"methods": {"d3hr": {"generate": {"start": {"first_step": "matched"}}}}}, "generate.start.first_step is"),
    ("d3hr", {"methods": {"d3hr": {"generate": {"start": {"skew_weight": 0.2}}}}}, "generate.start.skew_weight is 0.2"),
    ("d3hr", {"methods": {"d3hr": {"refine": {}}}}, "refine is "),
    ("d3hr", {"methods": {"d3hr": {"generate": {"guide": {"discovery": "density-256"}}}}}, "generate.guide is "),
    ("d3hr", {"methods": {"d3hr": {"generate": {"guide": ["repulsion"]}}}}, "generate.guide is "),
    ("d3hr", {"inversions": {"ddim": {"stop": 20}}}, "inversion.stop is 20; the paper's is 30"),
    ("d3hr", {"inversions": {"ddim": {"guidance": 1.0}}}, "inversion.guidance is 1.0"),
    ("d3hr", {"models": {"dit": {"timestep_embedding": "original"}}}, "model.timestep_embedding is original"),
    ("d3hr", {"models": {"vae-256": {"posterior": "mean"}}}, "encoder.posterior is mean"),
    ("d3hr", {"models": {name: {"resolution": 512} for name in ("vae-256", "vae-mse")}}, "encoder.resolution is 512"),
    (
        "d3hr",
        {
            "methods": {"d3hr": {"generate": {"model": "sd", "start": {"inversion": "ddim-sd"}}}},
        },
        "model.kind is sd",
    ),
    ("rded", {"methods": {"rded": {"compose": {"score": {"images": 200}}}}}, "compose.score.images is 200"),
    ("rded", {"methods": {"rded": {"compose": {"score": {"crops": 1}}}}}, "compose.score.crops is 1"),
    ("rded", {"methods": {"rded": {"compose": {"score": {"area": [0.5, 1.0]}}}}}, "compose.score.area is [0.5, 1.0]"),
    ("rded", {"methods": {"rded": {"compose": {"rank": {"clusters": 4, "teacher": "resnet18"}}}}}, "compose.rank is"),
    ("rded", {"methods": {"rded": {"compose": {"grid": 1}}}}, "compose.grid is 1; the paper's is 2"),
    ("rded", {"methods": {"rded": {"compose": {"fill": "consecutive"}}}}, "compose.fill is consecutive"),
    ("rded", {"methods": {"rded": {"compose": {"rounding": "nearest"}}}}, "compose.rounding is nearest"),
    ("random", {"methods": {"random": {"select": {"coverage": "herding", "teacher": "resnet18"}}}}, "select is"),
    ("dit", {"methods": {"dit": {"generate": {"sampler": "ddim"}}}}, "generate.sampler is ddim; the paper's is ddpm"),
    ("dit", {"methods": {"dit": {"generate": {"guidance": 2.7}}}}, "generate.guidance is 2.7; the paper's is 4.0"),
    ("dit", {"methods": {"dit": {"generate": {"guided_channels": None}}}}, "generate.guided_channels is not there"),
    (
        "dit",
        {"methods": {"dit": {"generate": {"guided_channels": 4}}}},
        "generate.guided_channels is 4; the paper's is 3",
    ),
    ("dit", {"methods": {"dit": {"generate": {"steps": 250}}}}, "generate.steps is 250; the paper's is 50"),
    ("dit", {"methods": {"dit": {"generate": {"model": "dit"}}}}, "model.timestep_embedding is diffusers"),
    ("dit", {"methods": {"dit": {"generate": {"model": "sd"}}}}, "model.kind is sd; the paper's is dit"),
    (
        "dit",
        {"methods": {"dit": {"generate": {"pool": 4}, "select": {"teacher": "resnet18"}}}},
        "generate.pool is 4; the paper's is 1",
    ),
]


@pytest.mark.parametrize(("name", "changes", "reason"), CONTRADICTIONS, ids=str)
def test_a_method_whose_settings_are_not_the_papers_has_none_whatever_it_is_called(name, changes, reason):
    row = ROWS[name]
    base, cell, _ = row
    plan = plan_of(edited(base, changes), run_of(*cell))
    assert reported_for(plan) == []
    reasons = contradictions(plan, cell[0], str(cell[1]), plan.dataset_identity())
    assert reasons[0].startswith(reason), reasons


def test_a_method_of_another_name_may_say_whose_it_is():
    base, (_, *cell), top1 = PLAIN
    mine = {"methods": {"mine": base["methods"]["dit"]}}
    assert found((edited(base, mine), ("mine", *cell), None)) == []
    mine["methods"]["mine"] = mine["methods"]["mine"] | {"paper": "dit"}
    assert [told["top1"] for told in found((edited(base, mine), ("mine", *cell), None))] == [top1]


def test_a_claim_alone_is_not_enough():
    base, (_, *cell), _ = PLAIN
    for paper in ("minimax", "mgd3", "herding"):  # published for this very row; no method here is one of them
        claim = {"methods": {"mine": base["methods"]["dit"] | {"paper": paper}}}
        assert found((edited(base, claim), ("mine", *cell), None)) == []


@pytest.mark.parametrize(
    ("data", "ipc", "method", "changes"),
    [
        ("imagenet1k", "10", "cao2", []),
        ("imagenet1k", "50", "cao2-many", []),
        ("imagenet1k", "10", "cao2-many", ["select.keep is uncertain; the paper's is confident"]),
        ("imagenette", "10", "cao2", ["generate.pool is 4", "refine.condition is unconditional"]),
        ("imagenet-100", "10", "cao2", ["generate.pool is 4; the paper's is 2"]),
        ("imagewoof", "10", "cao2", []),
        ("imagenet1k", "50", "coda", []),
        ("imagenet1k", "50", "coda-refined", ["no method of this workflow is known to be that of 'coda-refined'"]),
    ],
)
def test_papers_whose_constants_depend_on_the_data_set_or_its_size(data, ipc, method, changes):
    plan = plan_of({}, run_of(method, 10, "soft", "resnet18"))
    reasons = contradictions(plan, method, ipc, data)
    assert len(reasons) == len(changes)
    assert all(reason.startswith(change) for reason, change in zip(reasons, changes, strict=True)), reasons


def test_every_paper_of_the_table_of_constants_is_one_that_published_numbers():
    papers = {"random", "dit", "rded", "d3hr", "cao2", "coda", "mgd3", "mgd3-nearest", "minimax"}
    assert set(published_methods()) == papers


# ---------------------------------------------------------------- teachers and epochs


@pytest.mark.parametrize("arch", ["resnet50.tv_in1k", "resnet18.a1_in1k"])
def test_another_teacher_is_said(arch):
    (told,) = found(D3HR, teachers={"resnet18": {"arch": arch}})
    assert (told["top1"], told["differs"]) == (44.3, "its teacher: resnet18.tv_in1k")


def test_a_teacher_that_scores_the_patches_counts_too():
    two = {"teachers": {"other": {"arch": "resnet34.tv_in1k"}}}
    (told,) = found(RDED, **two, methods={"rded": {"compose": {"score": {"teacher": "other"}}}})
    assert told["differs"] == "its teacher: resnet18.tv_in1k"


@pytest.mark.parametrize("own", [True, False])
def test_a_teacher_that_the_paper_trained_itself_is_always_another(own):
    """RDED's and CaO2's on parts of ImageNet: neither their weights nor their accuracies are known."""
    part = {"dataset": {"subset": "imagenette"}, "protocols": {"soft": {"preset": "soft-10"}}}
    part["teachers"] = {"resnet18": {"arch": "resnet18", "train": {"steps": 1}}} if own else {}
    (told,) = found((part, ("rded", 10, "soft", "resnet18"), None))
    assert (told["top1"], told["std"]) == (61.4, 0.4)
    assert told["differs"] == "its teacher: resnet18, trained on this data set"


def test_doubts_are_told():
    (told,) = found((*D3HR[:1], ("d3hr", 100, "soft-d3hr", "resnet101"), None))
    assert (told["top1"], told["std"], told["status"]) == (68.1, 0.0, "unconfirmed")


def test_rows_of_some_methods_only():
    plan = Plan(load_config(copy.deepcopy(CONFIG)), list(imagenet_classes()))
    assert reported_for(plan, ["d3hr"]) == [row for row in reported_for(plan) if row["method"] == "d3hr"] != []
