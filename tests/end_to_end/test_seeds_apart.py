"""Students whose seeds are jobs of their own: the same records, and nothing is trained twice when there are more."""

import json

import pytest

from tests.helpers.workspace import Workspace, smoke_config

STUDENTS = "results/smoke/students/random/ipc2/hard/resnet8"


@pytest.fixture(scope="module")
def config() -> dict:
    run = {"methods": ["random"], "ipc": [2], "protocols": ["hard"], "students": ["resnet8"], "seeds": 2}
    return smoke_config() | {"runs": [run]}


@pytest.fixture(scope="module")
def together(tmp_path_factory, config) -> Workspace:
    workspace = Workspace.fresh(tmp_path_factory.mktemp("together") / "workspace", config)
    workspace.run("--cores", "2", STUDENTS)
    return workspace


def records(workspace: Workspace) -> dict[str, dict]:
    """File name -> what was recorded, without the seconds, which nothing fixes."""
    folder = workspace.folder / STUDENTS
    return {file.name: json.loads(file.read_text()) | {"seconds": None} for file in sorted(folder.glob("*.json"))}


def test_seeds_apart_are_the_seeds_of_one_job_and_more_of_them_train_none_again(tmp_path, together, config):
    workspace = Workspace.fresh(tmp_path / "workspace", config | {"seeds_apart": "always"})
    assert workspace.planned(STUDENTS)["train_one_student"] == 2
    workspace.run("--cores", "2", STUDENTS)
    assert records(workspace) == records(together)
    assert set(records(workspace)) == {"0.json", "1.json"}
    more = config | {"seeds_apart": "always", "runs": [config["runs"][0] | {"seeds": 3}]}
    workspace.configure(more)
    planned = workspace.planned(STUDENTS)
    assert planned["train_one_student"] == 1
    assert set(planned) <= {"train_one_student", "train_students", "total"}
    workspace.run("--cores", "2", STUDENTS)
    assert set(records(workspace)) == {"0.json", "1.json", "2.json"}
    assert records(workspace)["0.json"] == records(together)["0.json"]
    assert not [path for path in workspace.results("smoke", "checkpoints").rglob("*") if path.is_file()]


def test_where_one_job_fits_into_a_day_there_is_one(together):
    assert "train_one_student" not in together.planned(STUDENTS, forceall=True)
