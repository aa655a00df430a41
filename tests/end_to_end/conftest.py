import time

import pytest

from .workspace import Workspace, smoke_config


@pytest.fixture(scope="session")
def finished(tmp_path_factory) -> Workspace:
    """The smoke config, run to the end on two cores. Tests must not change it; `twin` makes a copy to change."""
    workspace = Workspace.fresh(tmp_path_factory.mktemp("smoke") / "first", smoke_config())
    began = time.perf_counter()
    workspace.run("--cores", "2")
    print(f"smoke config from nothing: {time.perf_counter() - began:.0f} s")
    return workspace


@pytest.fixture
def twin(finished, tmp_path) -> Workspace:
    return finished.twin(tmp_path / "twin")
