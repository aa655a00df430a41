"""`deterministic: true` reaches the jobs, and makes nothing again."""

from tests.helpers.workspace import Workspace, smoke_config

STUDENTS = "results/smoke/students/random/ipc2/hard/resnet8"


def test_jobs_use_deterministic_kernels_where_the_config_says_so_and_nothing_is_made_again(tmp_path):
    workspace = Workspace.fresh(tmp_path / "run", smoke_config() | {"deterministic": True})
    workspace.run("--cores", "1", STUDENTS)
    log = workspace.results("smoke", "logs", "train_students", "random", "ipc2", "hard", "resnet8.log")
    assert "retort: with deterministic kernels only" in log.read_text()
    workspace.configure(workspace.config | {"deterministic": False})
    assert workspace.planned(STUDENTS) == {}
    workspace.run("--cores", "1", "--forcerun", "train_students", "--", STUDENTS)
    assert "deterministic" not in log.read_text()
