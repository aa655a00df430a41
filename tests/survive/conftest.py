"""A run that meets every stage as few times as it can: what is sabotaged, and what goes through a cluster."""

import shutil
from pathlib import Path

import pytest

from ..end_to_end.workspace import Workspace, smoke_config

TARGETS = ["all", "exports", "report_page"]


def one_of_each(vae: Path, teacher: Path) -> dict:
    """The smoke config with every stage there is in six methods: an encoder and a teacher also come from elsewhere."""
    config = smoke_config()
    config["models"]["fetched"] = {"kind": "vae", "source": str(vae)}
    config["teachers"]["fetched"] = {"arch": "resnet8", "source": str(teacher)}
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


@pytest.fixture(scope="session")
def undisturbed(finished, shared) -> Workspace:
    """`one_of_each`, run to the end; tests only read it."""

    def run(folder: Path) -> Workspace:
        elsewhere = folder.parent / "elsewhere"
        vae = shutil.copytree(finished.results("smoke", "models", "vae"), elsewhere / "vae")
        teacher = shutil.copytree(finished.results("smoke", "teachers", "resnet"), elsewhere / "resnet")
        workspace = Workspace.fresh(folder, one_of_each(vae, teacher))
        workspace.run("--cores", "2", *TARGETS)
        return workspace

    return shared("one-of-each", run)
