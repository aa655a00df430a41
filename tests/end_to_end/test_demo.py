"""The default config with the models that come with Retort: what `make demo` shows first, on the real images."""

import csv

import pytest

from tests.helpers.workspace import Workspace, smoke_config


@pytest.fixture(scope="module")
def demo(tmp_path_factory) -> Workspace:
    """The models are checked, and the unguided backbone's images made and measured."""
    workspace = Workspace.fresh(tmp_path_factory.mktemp("demo") / "workspace", smoke_config())
    workspace.run_default("--cores", "2", "tabulate_models", "dit")
    return workspace


def rows(workspace: Workspace, *path: str) -> list[dict[str, str]]:
    with open(workspace.results(*path), newline="") as table:
        return list(csv.DictReader(table))


def test_adopted_models_are_measured_as_those_that_are_trained_here(demo):
    """On the 1,000 validation images that come with Retort; the cards have what was measured on all 10,000."""
    found = {(row["model"], row["measure"]): float(row["value"]) for row in rows(demo, "models.csv") if row["value"]}
    (accuracy,) = [value for (model, measure), value in found.items() if model == "resnet" and "top-1" in measure]
    (recognised,) = [value for (_, measure), value in found.items() if measure.endswith("guidance 1")]
    (reconstructed,) = [value for (model, measure), value in found.items() if model == "vae" and "PSNR" in measure]
    assert accuracy > 0.9
    assert recognised > 0.8
    assert reconstructed > 30


def test_students_of_one_generated_image_per_class_learn_and_soft_labels_teach_more(demo):
    found = {row["protocol"]: float(row["top1_last_mean"]) for row in rows(demo, "fashion", "tables", "dit.csv")}
    assert found["soft"] > found["hard"] > 20 > 10  # per cent; chance is 10
