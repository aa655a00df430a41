"""A run that meets every stage as few times as it can: what is sabotaged, and what goes through a cluster."""

import shutil
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from retort.models.classifiers import IMAGENET_MEAN, IMAGENET_STD
from tests.helpers.workspace import Workspace, smoke_config

TARGETS = ["all", "exports", "report_page"]


def one_of_each(vae: Path, teacher: Path) -> dict:
    """The smoke config with every stage there is in six methods: an encoder and a teacher also come from elsewhere."""
    config = smoke_config()
    config["models"]["fetched"] = {"kind": "vae", "source": str(vae)}
    halves = {"mean": [0.5] * 3, "std": [0.5] * 3}  # images normalised so are those in [-1, 1]: raw ones
    config["teachers"]["fetched"] = {"arch": "resnet8", "source": str(teacher)} | halves
    generate = {
        "model": "dit",
        "start": {"inversion": "ddim", "groups": 100},
        "guidance": 2.0,
        "guide": {"discovery": "density"},
        "pool": 2,
    }
    together = {
        "generate": generate,
        "select": {"teacher": "fetched", "teacher_input": "raw"},
        "refine": {"iterations": 5, "steps": 20},
    }
    config["methods"] = {name: config["methods"][name] for name in ("random", "rded", "ddps", "full")} | {
        "herding": {"select": {"coverage": "herding", "encoder": "fetched"}},
        "together": together,
    }
    config["quality"] = {"teacher": "fetched", "measures": ["density-coverage"]}
    student = {"students": ["resnet8"]}
    config["runs"] = [
        {"methods": ["random", "full"], "ipc": [2], "protocols": ["soft"], "seeds": 2} | student,
        {"methods": ["random", "herding", "rded", "ddps", "together"], "ipc": [1], "protocols": ["hard"], "seeds": 1}
        | student,
    ]
    return config


def save_for_raw_images(teacher: Path, target: Path) -> Path:
    """The same network with ImageNet's normalisation in its first layer, so that it judges images in [-1, 1]."""
    weights = load_file(teacher / "model.safetensors")
    mean, std = (torch.tensor(values).view(1, 3, 1, 1) for values in (IMAGENET_MEAN, IMAGENET_STD))
    shift = (weights["stem.weight"] * (0.5 - mean) / std).sum((1, 2, 3))
    weights["stem_norm.running_mean"] -= shift
    weights["stem.weight"] *= 0.5 / std
    save_file(weights, target)
    return target


@pytest.fixture(scope="session")
def undisturbed(finished, shared) -> Workspace:
    """`one_of_each`, run to the end; tests only read it."""

    def run(folder: Path) -> Workspace:
        elsewhere = folder.parent / "elsewhere"
        vae = shutil.copytree(finished.results("smoke", "models", "vae"), elsewhere / "vae")
        trained = finished.results("smoke", "teachers", "resnet")
        teacher = save_for_raw_images(trained, elsewhere / "resnet.safetensors")
        workspace = Workspace.fresh(folder, one_of_each(vae, teacher))
        workspace.run("--cores", "2", *TARGETS)
        return workspace

    return shared("one-of-each", run)
