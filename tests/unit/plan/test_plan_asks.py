"""What the plan knows that a method asks: feature spaces, teachers, models and what its records say."""

import json

import pytest
import yaml
from tests.helpers.plans import COMPOSED, METHODS, SMALL, composed_for, plan_for

from retort.config.load import load_config
from retort.plan.plan import Plan


@pytest.fixture(scope="module")
def composed() -> Plan:
    return plan_for(text=COMPOSED)


# ---------------------------------------------------------------- what a method asks

SPACES = {
    "covering": {"teacher": "critic"},
    "chosen-refined": {"encoder": "vae"},
    "herding": {"encoder": "fine-vae"},
    "kmeans": {"teacher": "critic"},
    **{method: {"teacher": "critic"} for method in ("rded-spread", "rded-3")},
    **{method: {"encoder": "fine-vae"} for method in ("ddps", "ddps-3", "ddps-more")},
    "grouped": {"teacher": "critic"},
    **{method: {"dynamics": "lessons"} for method in ("hardest", "easiest")},
}
JUDGED = ("chosen", "ancestral", "guided-chosen", "d3hr-cao2", "confident", "rded", "rded-few")
TEACHERS = {
    **{method: {"judge"} for method in JUDGED},
    **{method: {"critic"} for method in ("covering", "kmeans", "grouped")},
    **{method: {"judge", "critic"} for method in ("rded-spread", "rded-3")},
}


@pytest.mark.parametrize("method", METHODS)
def test_method_names_the_space_it_covers_or_clusters_in_and_the_teachers_it_asks(composed, method):
    asked = composed.ranking_space if composed.compose_of(method) else composed.selection_space
    space = SPACES.get(method) or ({"teacher": "judge"} if method in JUDGED and not composed.compose_of(method) else {})
    assert asked(method) == space
    assert composed.teachers_of(method) == TEACHERS.get(method, set())


def test_selection_of_real_images_is_by_latents_by_what_a_teacher_sees_or_by_how_they_were_learned(composed):
    names = ["herding", "kmeans", "confident", "hardest", "easiest"]
    assert composed.methods_that("select_by_features") == names
    spaces = [composed.selection_space(method) for method in names]
    learned = {"dynamics": "lessons"}
    assert spaces == [{"encoder": "fine-vae"}, {"teacher": "critic"}, {"teacher": "judge"}, learned, learned]


def test_a_record_of_a_training_needs_the_training_images_decoded_and_no_teacher(composed):
    """But the settings of the teacher, by which its network is trained, stand in the provenance."""
    alone = composed_for("hardest")
    assert (alone.used_dynamics(), alone.used_teachers()) == (["lessons"], [])
    assert alone.decoded_splits() == ["train", "val"]
    told = alone.provenance_of("hardest")
    assert (set(told["dynamics"]), set(told["teachers"])) == ({"lessons"}, {"critic"})
    assert "dynamics" not in alone.provenance_of("herding")


def test_every_run_of_a_training_is_a_job(composed):
    raw = yaml.safe_load(COMPOSED)
    raw["methods"]["mean"] = {"select": {"score": "grand", "dynamics": "others"}}
    plan = Plan(load_config(raw), composed.classes)
    runs = [{"dynamics": "others", "run": run} for run in ("0", "1")]
    assert plan.jobs_of("train_dynamics", "mean", "1") == runs
    assert plan.jobs_of("record_dynamics", "mean", "1") == [{"dynamics": "others"}]


def test_settings_of_a_model_are_those_that_change_what_it_computes(composed):
    settings = {"kind": "dit", "dtype": "float32", "timestep_embedding": "original", "classes": "dataset"}
    assert composed.model_settings("dit") == settings
    assert composed.model_settings("sd") == {"kind": "sd", "dtype": "float16", "prompt": "Image of {name}."}
    assert (composed.encoder_of("sd"), composed.codec_settings("fine-vae")["resolution"]) == ("fine-vae", 64)


# models, encoders, teachers, inversions, discoveries, typicalities
NOTHING = ([], [], [], [], [], [])
DIT, JUDGE = (["dit"], ["vae"], [], [], [], []), ["judge"]
PARTS = {
    "random": NOTHING,
    "full": NOTHING,
    "dit": DIT,
    "refined": DIT,
    "chosen": (["dit"], ["vae"], JUDGE, [], [], []),
    "covering": (["dit"], ["vae"], ["critic"], [], [], []),
    "chosen-refined": DIT,
    "fast": (["sd"], ["fine-vae"], [], [], [], []),
    "guided": (["dit"], ["vae"], [], [], ["density"], []),
    "guided-coarser": (["dit"], ["vae"], [], [], ["coarser"], []),
    "d3hr-cao2": (["dit"], ["vae"], JUDGE, ["ddim"], [], []),
    "d3hr-coda": (["dit"], ["vae"], [], ["ddim"], ["density"], []),
    "moded": (["dit"], ["vae"], [], [], ["modes"], []),
    "noised": (["dit"], ["vae"], [], [], ["modes", "density"], []),
    "real": ([], ["fine-vae"], [], [], ["finer"], []),
    "herding": ([], ["fine-vae"], [], [], [], []),
    "kmeans": ([], [], ["critic"], [], [], []),
    "confident": ([], [], JUDGE, [], [], []),
    "rded": ([], [], JUDGE, [], [], []),
    "rded-spread": ([], [], ["judge", "critic"], [], [], []),
    "ddps": (["dit"], ["vae", "fine-vae"], [], [], [], ["dit"]),
    "ddps-sd": (["sd"], ["fine-vae"], [], [], [], ["sd"]),
}


@pytest.mark.parametrize("method", PARTS)
def test_only_what_a_wanted_method_needs_is_used(method):
    plan = composed_for(method)
    models, encoders, teachers, _, discoveries, typicalities = PARTS[method]
    assert plan.used_models() == models
    assert plan.used_encoders() == encoders
    assert plan.used_teachers() == teachers
    assert sorted(plan.used_discoveries()) == sorted(discoveries)
    assert plan.used_typicalities() == typicalities


def test_what_several_methods_need_is_used_once_in_the_order_of_the_config():
    plan = composed_for("ddps-sd", "kmeans", "guided-coarser", "real", "rded", "ddps", "guided")
    assert plan.used_models() == ["dit", "sd"]
    assert plan.used_encoders(trained=True) == ["vae"]
    assert plan.used_encoders(trained=False) == ["fine-vae"]
    assert plan.used_teachers() == ["judge", "critic"]
    assert plan.used_discoveries() == ["density", "coarser", "finer"]
    assert plan.used_typicalities() == ["dit", "sd"]


@pytest.mark.parametrize("method", PARTS)
def test_provenance_tells_everything_shared_that_a_set_depends_on_and_nothing_else(composed, method):
    told = composed.provenance_of(method)
    models, encoders, *others = PARTS[method]
    shared = ("teachers", "inversions", "discoveries", "typicalities")
    assert set(told["models"]) == {*models, *encoders}
    assert {part: set(told[part]) for part in shared} == dict(zip(shared, map(set, others), strict=True))
    assert told["settings"] == composed.config.methods[method].model_dump(
        mode="json", exclude_none=True, exclude={"fit", "seed"}
    )
    assert json.loads(json.dumps(told)) == told
    assert composed_for(method, shard_classes=1).provenance_of(method) == told


def test_provenance_leaves_out_what_no_image_depends_on():
    start = {"inversion": "ddim", "search": "closed-form", "groups": 7}
    config = SMALL | {
        "dataset": {"kind": "folder", "name": "mine", "path": "nowhere", "resolution": 32, "classes": ["cat", "dog"]},
        "methods": {"d3hr": {"generate": {"model": "dit", "start": start}, "paper": "other"}},
        "runs": [SMALL["runs"][0] | {"methods": ["d3hr"]}],
    }
    told = Plan(load_config(config), ["cat", "dog"]).provenance_of("d3hr")
    assert told["settings"].keys() == {"generate"}
    assert "groups" not in told["settings"]["generate"]["start"]
    assert told["data"].keys() == {"kind", "name", "path", "resolution", "classes", "class_names"} | {
        *("on_bad_image", "check", "val_fraction")
    }


def test_how_images_are_split_does_not_count_when_they_are_written_out():
    hub = {"kind": "huggingface", "path": "hub", "name": "hub", "resolution": 32, "classes": ["cat", "dog"]}
    layout = Plan(load_config(SMALL | {"dataset": hub}), ["cat", "dog"]).written_layout()
    assert layout == {
        "kind": "huggingface",
        "path": "hub",
        "format": "parquet",
        "label_column": None,
        "image_column": None,
        "val_split": None,
        "label_ids": None,
    }


def test_tables_ask_only_for_what_they_have_rows_of():
    recipe = SMALL["protocols"]["hard"]
    config = SMALL | {
        "methods": {name: {"select": "random"} for name in ("one", "two", "idle")},
        "protocols": {name: recipe | {"temperature": 1} for name in ("idle", "hard", "other")},
        "runs": [
            {"methods": [method], "ipc": [1], "protocols": [protocol], "students": ["resnet8"]}
            for method, protocol in (("two", "other"), ("one", "hard"))
        ],
    }
    plan = Plan(load_config(config), ["0", "1"])
    assert plan.wanted_that_select("random") == ["one", "two"]
    assert plan.wanted_protocols() == plan.hard_protocols() == list(plan.protocol_ids()) == ["hard", "other"]
    assert list(plan.protocol_ids(["two"])) == ["other"]


def test_provenance_tells_the_settings_of_what_is_shared(composed):
    told = composed.provenance_of("guided-coarser") | {
        "typicalities": composed.provenance_of("ddps-sd")["typicalities"]
    }
    assert told["discoveries"]["coarser"]["hdbscan"] == {"min_cluster_size": 50, "min_samples": 3}
    assert told["models"]["dit"]["timestep_embedding"] == "original"
    assert told["typicalities"]["sd"]["draws"] == 100
    assert composed.provenance_of("fast")["models"]["sd"]["prompt"] == "Image of {name}."
