"""What reruns after which change, exactly. Rows that end in the tables rerun them too, which is cheap."""

from copy import deepcopy

import pytest

from retort.base.files import read_json
from tests.helpers.expected_reruns import CODE_CHANGES, CONFIG_CHANGES
from tests.helpers.workspace import Workspace, smoke_config


@pytest.fixture(scope="module")
def changing(finished, tmp_path_factory) -> Workspace:
    """One copy of the finished run; each test puts back what it changed."""
    return finished.twin(tmp_path_factory.mktemp("changing") / "twin")


@pytest.mark.parametrize("change", CONFIG_CHANGES)
def test_a_config_change_reruns_what_it_can_affect_and_nothing_else(changing, change):
    edit, expected = CONFIG_CHANGES[change]
    before, config = changing.config, deepcopy(changing.config)
    edit(config)
    changing.configure(config)
    planned = changing.planned()
    changing.configure(before)
    assert planned == expected


def test_the_command_line_says_the_same_of_a_change_and_of_none(changing):
    edit, expected = CONFIG_CHANGES["guidance"]
    before, config = changing.config, deepcopy(changing.config)
    edit(config)
    changing.configure(config)
    listed = changing.listed()
    changing.configure(before)
    assert listed == expected
    assert changing.listed() == {}


@pytest.mark.parametrize("change", CODE_CHANGES)
def test_a_code_change_reruns_the_stages_that_can_reach_it(changing, change):
    module, old, new, expected = CODE_CHANGES[change]
    path, new = f"workflow/retort/{module}", new + old if change == "a comment" else new
    changing.edit(path, old, new)
    planned = changing.planned()
    changing.edit(path, new, old)
    assert planned == expected


def test_a_fresh_checkout_reruns_nothing(changing):
    for script in (changing.folder / "workflow").rglob("*.py"):
        script.touch()
    (changing.folder / "Snakefile").touch()
    assert changing.planned() == {}


def test_another_version_of_a_package_is_recorded_and_reruns_nothing(changing):
    set_of = changing.results("smoke", "distilled", "random", "ipc2")
    assert read_json(set_of / "provenance.json")["versions"].keys() >= {"torch", "numpy"}
    changing.edit("envs/retort.yaml", "torch==", "torch==9")
    planned = changing.planned()
    changing.edit("envs/retort.yaml", "torch==9", "torch==")
    assert planned == {}


def test_what_methods_and_image_counts_share_is_planned_once(tmp_path):
    """From nothing, one job (for the one shard) each, however many methods and image counts use them."""
    config = smoke_config()
    guide = {"discovery": "density", "strength": 0.2}
    config["methods"]["coda-strong"] = {"generate": {"model": "dit", "guidance": 2.0, "guide": guide}}
    config["methods"]["ddps-best"] = {"compose": {"score": {"typicality": "default", "window": 0.5}, "grid": 1}}
    config["methods"]["rded-nested"] = {
        "compose": {"score": {"teacher": "resnet", "images": 20}, "fill": "consecutive"}
    }
    methods = [name for name in config["methods"] if name != "full"]
    config["runs"] = [{"methods": methods, "ipc": [1, 2, 4], "protocols": ["hard"], "students": ["resnet8"]}]
    planned = Workspace.fresh(tmp_path / "fresh", config).planned()
    shared = (
        "encode_latents",
        "invert_latents",
        "embed_classes",
        "cluster_classes",
        "score_typicality",
        "describe_images",
    )
    assert {stage: planned[stage] for stage in shared} == dict.fromkeys(shared, 1)
    # One ranking and one scoring of patches by each way to score, whatever is composed of them; crops have two.
    assert (planned["score_windows"], planned["rank_patches"], planned["score_crops"]) == (1, 1, 2)
    # Two trainings by epochs and one record of both, for two scores.
    assert (planned["train_dynamics"], planned["record_dynamics"]) == (2, 1)
    # Representatives for 1, 2 and 4 images; starts for 1, 2, 4 and (a pool of two) 8, by search and by formula.
    assert planned["choose_representatives"] == 3
    # For 1, 2 and 4 images by each kind that finds them at once; a guide and a start share their modes.
    at_once = {d["kind"] for d in config["discoveries"].values() if "kind" in d}
    assert planned["find_representatives"] == 3 * len(at_once)
    assert planned["choose_starts"] == 4 + 3
    assert (planned["train_vae"], planned["train_dit"], planned["train_teacher"]) == (1, 1, 1)
