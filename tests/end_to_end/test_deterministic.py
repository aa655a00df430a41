"""`deterministic: true` reaches the jobs, and makes nothing again."""

from tests.helpers.workspace import Workspace, smoke_config

SET = "results/smoke/distilled/random/ipc1"


def test_jobs_use_deterministic_kernels_where_the_config_says_so_and_nothing_is_made_again(tmp_path):
    workspace = Workspace.fresh(tmp_path / "run", smoke_config() | {"deterministic": True})
    workspace.run("--cores", "1", SET)
    log = workspace.results("smoke", "logs", "write_set", "random", "ipc1.log")
    assert "retort: with deterministic kernels only" in log.read_text()
    workspace.configure(workspace.config | {"deterministic": False})
    assert workspace.planned(SET) == {}
    workspace.run("--cores", "1", "--forcerun", "write_set", "--", SET)
    assert "deterministic" not in log.read_text()
