"""A sweep through Snakemake: its members, their students, and the picture over the key."""

import csv

import numpy as np
from PIL import Image

from tests.helpers.workspace import Workspace, smoke_config

SHARED = ("models", "teachers", "dynamics", "inversions", "discoveries", "typicalities")
MEMBERS = ["side-32", "side-40"]


def sweep_config() -> dict:
    """Random images of two sizes, and hard labels: nothing is trained but students."""
    config = smoke_config()
    config |= {part: {} for part in SHARED}
    config["methods"] = {"random": {"select": "random"}}
    config["sweeps"] = {"side": {"method": "random", "key": "side", "values": [32, 40]}}
    config["protocols"] = {"hard": config["protocols"]["hard"]}
    config["runs"] = [{"methods": ["side"], "ipc": [1], "protocols": ["hard"], "students": ["resnet8"], "seeds": 1}]
    return config


def test_a_sweep_is_a_target_that_runs_its_members_and_draws_them(tmp_path):
    workspace = Workspace.fresh(tmp_path / "workspace", sweep_config())
    workspace.run("--cores", "2", "side")
    sides = {
        member: Image.open(next(workspace.results("smoke", "distilled", member, "ipc1").glob("*/*.png"))).size
        for member in MEMBERS
    }
    assert sides == {"side-32": (32, 32), "side-40": (40, 40)}
    with open(workspace.results("accuracy.csv")) as table:
        assert [row["method"] for row in csv.DictReader(table)] == MEMBERS
    picture = Image.open(workspace.results("figures", "smoke", "sweeps", "side.png"))
    assert np.asarray(picture.convert("L")).std() > 10
    assert workspace.planned("side") == {}

    # A further value makes only its own; nothing of the others is made again but what shows them all.
    workspace.config["sweeps"]["side"]["values"].append(48)
    workspace.configure(workspace.config)
    planned = workspace.planned("side")
    assert planned["write_set"] == planned["train_students"] == planned["draw_sweep"] == 1
    assert "build_manifest" not in planned
