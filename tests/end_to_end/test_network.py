"""The network belongs to the jobs that fetch: seen from a hub on this machine that counts what it is asked."""

from pathlib import Path

import pytest
import yaml

from retort.base.files import read_json
from tests.helpers.fake_hub import COMMIT, REPOSITORY, FakeHub
from tests.helpers.workspace import REPOSITORY as HOME
from tests.helpers.workspace import Workspace

PIPELINE = HOME / "tests" / "fixtures" / "parity" / "d3hr_sample" / "pipeline"


@pytest.fixture
def hub(tmp_path, monkeypatch):
    """Where every process that is started here looks for models, with a cache of its own."""
    with FakeHub(PIPELINE) as served:
        monkeypatch.setenv("HF_ENDPOINT", served.endpoint)
        monkeypatch.setenv("HF_HOME", str(tmp_path / "cache"))
        monkeypatch.setenv("HF_HUB_DISABLE_XET", "1")
        monkeypatch.delenv("HF_HUB_OFFLINE", raising=False)
        yield served


@pytest.fixture
def workspace(tmp_path) -> Workspace:
    """The smoke config with a vae from the hub."""
    config = yaml.safe_load((HOME / "configs" / "smoke.yaml").read_text())
    config["models"]["vae"] = {"kind": "vae", "source": REPOSITORY}
    return Workspace.fresh(tmp_path / "workspace", config)


def test_a_job_that_computes_cannot_reach_the_hub_even_when_it_asks(workspace, hub):
    ask = f"    import huggingface_hub\n    huggingface_hub.snapshot_download({REPOSITORY!r})\n"
    first = "    rows = list_images(layout, images, list(class_ids))\n"
    workspace.edit("workflow/retort/stages/data/build_manifest.py", first, ask + first)
    workspace.run("--cores", "1", "build_manifest", succeeds=False)
    assert "HF_HUB_OFFLINE" in workspace.results("smoke", "logs", "build_manifest.log").read_text()
    assert hub.asked == []


def test_fetching_reaches_the_hub_checks_what_it_gets_and_says_what_to_pin(workspace, hub):
    workspace.run("--cores", "1", "fetch")
    assert hub.asked
    model, weights = workspace.results("smoke", "models", "vae"), "diffusion_pytorch_model.safetensors"
    assert (model / weights).read_bytes() == (PIPELINE / "vae" / weights).read_bytes()
    assert read_json(model / "origin.json")["revision"] == COMMIT
    assert f"revision: {COMMIT}" in workspace.results("smoke", "logs", "fetch_model", "vae.log").read_text()
    listed = workspace.results("smoke", "models.csv").read_text()
    assert f"vae,vae,{REPOSITORY},{COMMIT}," in listed
    assert not Path(workspace.results("smoke", "manifest.parquet")).exists()  # no image is needed for it
    assert workspace.planned("fetch") == {}
