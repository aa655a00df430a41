"""What reruns after which change, exactly. Rows that end in the tables rerun them too, which is cheap."""

import pytest

from retort.base.files import read_json
from tests.helpers.expected_reruns import CODE_CHANGES, CONFIG_CHANGES
from tests.helpers.workspace import Workspace, smoke_config


@pytest.mark.parametrize("change", CONFIG_CHANGES)
def test_a_config_change_reruns_what_it_can_affect_and_nothing_else(twin, change):
    edit, expected = CONFIG_CHANGES[change]
    config = twin.config
    edit(config)
    twin.configure(config)
    assert twin.planned() == expected


@pytest.mark.parametrize("change", CODE_CHANGES)
def test_a_code_change_reruns_the_stages_that_can_reach_it(twin, change):
    module, old, new, expected = CODE_CHANGES[change]
    twin.edit(f"workflow/retort/{module}", old, new + old if change == "a comment" else new)
    assert twin.planned() == expected


def test_a_fresh_checkout_reruns_nothing(twin):
    for script in (twin.folder / "workflow").rglob("*.py"):
        script.touch()
    (twin.folder / "Snakefile").touch()
    assert twin.planned() == {}


def test_another_version_of_a_package_is_recorded_and_reruns_nothing(twin):
    set_of = twin.results("smoke", "distilled", "random", "ipc2")
    assert read_json(set_of / "provenance.json")["versions"].keys() >= {"torch", "numpy"}
    twin.edit("envs/retort.yaml", "torch==", "torch==9")
    assert twin.planned() == {}


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
    # One ranking and one scoring of patches by each way to score, whatever is composed of them.
    assert (planned["score_windows"], planned["rank_patches"], planned["score_crops"]) == (1, 1, 1)
    # Representatives for 1, 2 and 4 images; starts for 1, 2, 4 and (a pool of two) 8, by search and by formula.
    assert planned["choose_representatives"] == 3
    assert planned["choose_starts"] == 4 + 3
    assert (planned["train_vae"], planned["train_dit"], planned["train_teacher"]) == (1, 1, 1)
