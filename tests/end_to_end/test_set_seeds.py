"""A run of several sets of one method: set 0 is the set that there was, and only new sets are made."""

import json
from pathlib import Path

import pandas as pd

from tests.helpers.workspace import Workspace, smoke_config

RUN = {"methods": ["random", "herding"], "ipc": [2], "protocols": ["hard"], "students": ["resnet8"], "seeds": 2}


def files_of(workspace: Workspace, method: str) -> dict[str, bytes]:
    folder = workspace.results("smoke", "distilled", method, "ipc2")
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*.png"))}


def test_more_sets_leave_the_first_as_it_was_and_join_it_in_one_row(tmp_path):
    config = smoke_config() | {"runs": [RUN]}
    workspace = Workspace.fresh(tmp_path / "workspace", config)
    workspace.run("--cores", "2", "results/accuracy.csv")
    first = {method: files_of(workspace, method) for method in RUN["methods"]}
    students = workspace.results("smoke", "students", "random", "ipc2", "hard", "resnet8")
    before = (students / "0.json").read_bytes()
    workspace.configure(config | {"runs": [RUN | {"set_seeds": 2}]})
    planned = workspace.planned("results/accuracy.csv")
    assert {job: planned[job] for job in ("select_images", "write_set", "train_students")} == {
        "select_images": 1,
        "write_set": 1,
        "train_students": 1,
    }
    workspace.run("--cores", "2", "results/accuracy.csv")
    assert {method: files_of(workspace, method) for method in RUN["methods"]} == first
    assert (students / "0.json").read_bytes() == before
    other = files_of(workspace, "random-set1")
    assert other.keys() == first["random"].keys()
    assert other != first["random"]
    assert not Path(workspace.results("smoke", "distilled", "herding-set1")).exists()
    table = pd.read_csv(workspace.results("accuracy.csv")).set_index("method")
    assert table["sets"].to_dict() == {"random": 2, "herding": 1}
    assert table["sets_vary"].to_dict() == {"random": True, "herding": False}
    tops = [json.loads(path.read_text())["last"]["top1"] for path in sorted(students.glob("*.json"))]
    assert table.loc["random", "top1_last_seeds"].startswith(" ".join(f"{100 * top:.2f}"[:5] for top in tops[:1]))
    assert table.loc["random", "top1_last_seeds"].count("|") == 1
