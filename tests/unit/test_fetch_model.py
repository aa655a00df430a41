"""Models that come from a directory; what a hub gives out could not be tried here."""

import shutil
from pathlib import Path

import pytest

from retort.data.files import read_json
from retort.errors import RetortError
from retort.stages.fetch_model import fetch_model

PIPELINE = Path(__file__).resolve().parents[1] / "fixtures" / "parity" / "d3hr_sample" / "pipeline"


def fetch(source: Path, output: Path, kind: str) -> Path:
    fetch_model(str(output), name="mine", kind=kind, source=str(source), revision=None)
    return output


def test_a_pipeline_is_copied_whole_with_its_origin(tmp_path):
    model = fetch(PIPELINE, tmp_path / "model", "dit")
    weights = "transformer/diffusion_pytorch_model.safetensors"
    assert (model / weights).read_bytes() == (PIPELINE / weights).read_bytes()
    assert read_json(model / "origin.json") == {"name": "mine", "source": str(PIPELINE), "revision": None}


def test_an_encoder_may_be_taken_from_a_pipeline_or_stand_alone(tmp_path):
    for source in (PIPELINE, PIPELINE / "vae"):
        model = fetch(source, tmp_path / source.name, "vae")
        assert (model / "config.json").read_bytes() == (PIPELINE / "vae" / "config.json").read_bytes()
        assert not (model / "transformer").exists()


def test_a_directory_of_another_kind_is_refused_and_leaves_nothing(tmp_path):
    with pytest.raises(RetortError, match=r"models\.mine\.source: .* lacks transformer/config\.json"):
        fetch(PIPELINE / "vae", tmp_path / "model", "dit")
    assert list(tmp_path.iterdir()) == []


def test_pickled_weights_alone_are_refused(tmp_path):
    source = shutil.copytree(PIPELINE, tmp_path / "source")
    weights = source / "transformer" / "diffusion_pytorch_model.safetensors"
    weights.rename(weights.with_suffix(".bin"))
    with pytest.raises(RetortError, match=r"no \.safetensors weights"):
        fetch(source, tmp_path / "model", "dit")


def test_pickled_weights_beside_others_are_left_behind(tmp_path):
    source = shutil.copytree(PIPELINE, tmp_path / "source")
    (source / "transformer" / "diffusion_pytorch_model.bin").write_bytes(b"never read")
    assert list(fetch(source, tmp_path / "model", "dit").rglob("*.bin")) == []
