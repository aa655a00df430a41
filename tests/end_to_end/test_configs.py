"""The ready configs plan, also where the data are not there yet; what is missing is said before anything costly."""

import pytest
import yaml

from tests.helpers.workspace import REPOSITORY, Workspace

SMALL = ("smoke", "own-folder", "fashion-models")
FULL_SIZE = sorted(path.name for path in (REPOSITORY / "configs").glob("*.yaml") if path.stem not in SMALL)


@pytest.fixture(scope="module")
def workspace(tmp_path_factory) -> Workspace:
    return Workspace.fresh(tmp_path_factory.mktemp("configs") / "workspace", {})


@pytest.mark.parametrize("name", FULL_SIZE)
def test_a_config_plans_every_method_without_its_data(workspace, name):
    config = yaml.safe_load((REPOSITORY / "configs" / name).read_text())
    workspace.configure(config)
    planned = workspace.planned()
    assert planned["build_manifest"] == 1
    assert planned["fetch_model"] >= 2
    assert planned["train_students"] >= 5


def test_models_for_fashion_mnist_are_trained_and_measured_and_nothing_else_is_made(workspace):
    config = yaml.safe_load((REPOSITORY / "configs" / "fashion-models.yaml").read_text())
    workspace.configure(config | {"dataset": config["dataset"] | {"path": "nowhere/fashion-mnist"}})
    planned = workspace.planned("tabulate_models")
    models = dict.fromkeys(("train_vae", "train_dit", "train_teacher", "judge_model", "tabulate_models"), 1)
    data = {"export_images": 1, "build_manifest": 1, "decode_split": 2, "encode_latents": 1}
    assert {rule: count for rule, count in planned.items() if count} == models | data


def test_missing_data_stop_the_first_job_and_say_what_was_looked_for(workspace):
    workspace.configure({"extends": "configs/imagenette.yaml", "dataset": {"path": "nowhere/imagenet"}})
    output = workspace.run("--cores", "1", "results/imagenette/manifest.parquet", succeeds=False)
    assert "nowhere/imagenet" in output
    assert "Traceback" not in output


def test_all_of_imagenet_is_a_few_thousand_jobs(workspace):
    """Every method at four sizes by two protocols with three students: less than 200 jobs a method, 7,000 in all."""
    config = yaml.safe_load((REPOSITORY / "configs" / "imagenet1k.yaml").read_text())
    for method in ("rded", "rded-gradient"):
        config["methods"][method]["compose"]["score"]["images"] = 400  # 100 images of 2 x 2
    every = {"methods": list(config["methods"]), "ipc": [1, 10, 50, 100], "protocols": ["soft", "hard"]}
    config["runs"] = [every | {"students": ["resnet18", "resnet50", "resnet101"], "seeds": 3}]
    workspace.configure(config)
    assert 1000 < sum(workspace.planned("tables").values()) <= 200 * len(config["methods"])
