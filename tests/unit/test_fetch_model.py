"""Models that come from a directory; what a hub gives out could not be tried here."""

import shutil
from pathlib import Path

import huggingface_hub
import pytest
import torch
from huggingface_hub.utils import filter_repo_objects

from retort.data.files import read_json
from retort.errors import RetortError
from retort.models.load import CodecFiles, ModelFiles, load_diffusion
from retort.stages.fetch_model import NEEDED, fetch_model

FIXTURES = Path(__file__).resolve().parents[1] / "fixtures" / "parity"
PIPELINE = FIXTURES / "d3hr_sample" / "pipeline"
SDXL = FIXTURES / "coda_guidance" / "pipeline"
PARTS = {
    "sd": {"unet", "scheduler", "text_encoder", "tokenizer"},
    "sdxl": {"unet", "scheduler", "text_encoder", "text_encoder_2", "tokenizer", "tokenizer_2"},
}


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


# ---------------------------------------------------------------- text-to-image pipelines


@pytest.fixture
def source(tmp_path):
    return shutil.copytree(SDXL, tmp_path / "source")


@pytest.mark.parametrize("kind", sorted(PARTS))
def test_of_a_text_to_image_pipeline_its_own_parts_are_copied(source, tmp_path, kind):
    (source / "safety_checker").mkdir()
    for left in ("everything.safetensors", "safety_checker/model.safetensors", "unet/model.fp16.safetensors"):
        (source / left).write_bytes(b"never read")
    model = fetch(source, tmp_path / "model", kind)
    copied = {file.relative_to(model).as_posix() for file in model.rglob("*") if file.is_file()}
    expected = {file.relative_to(SDXL).as_posix() for p in PARTS[kind] for file in (SDXL / p).rglob("*")}
    assert copied == expected | {"model_index.json", "origin.json"}
    for part in expected:
        assert (model / part).read_bytes() == (SDXL / part).read_bytes()


def test_a_fetched_pipeline_computes_what_its_source_computes(tmp_path):
    codec = CodecFiles(str(SDXL / "vae"), "float32", 64)
    latents, times = torch.ones(1, 4, 16, 16), torch.tensor([500])
    predicted = []
    for directory in (SDXL, fetch(SDXL, tmp_path / "model", "sdxl")):
        model = load_diffusion(ModelFiles(str(directory), "float32", kind="sdxl"), codec)
        predicted.append(model.eps(latents.to(model.device), times.to(model.device), model.null(1)))
    assert torch.equal(*predicted)


@pytest.mark.parametrize(("kind", "file"), [(kind, file) for kind in sorted(PARTS) for file in NEEDED[kind]])
def test_every_file_that_a_text_to_image_pipeline_lacks_is_named(source, tmp_path, kind, file):
    (source / file).unlink()
    with pytest.raises(RetortError, match=rf"is no {kind} directory of diffusers: it lacks {file}$"):
        fetch(source, tmp_path / "model", kind)


@pytest.mark.parametrize("kind", sorted(PARTS))
def test_a_tokenizer_may_come_in_either_format_but_whole(source, tmp_path, kind):
    for tokenizer in (part for part in PARTS[kind] if part.startswith("tokenizer")):
        folder = source / tokenizer
        (folder / "tokenizer.json").unlink()
        fetch(source, tmp_path / "model", kind)
        (folder / "merges.txt").rename(folder / "elsewhere.txt")
        lacks = rf"it lacks {tokenizer}/tokenizer\.json \(or vocab\.json and merges\.txt\)$"
        with pytest.raises(RetortError, match=lacks):
            fetch(source, tmp_path / "model", kind)
        shutil.copytree(SDXL / tokenizer, folder, dirs_exist_ok=True)


@pytest.mark.parametrize(
    ("kind", "part"),
    [("sd", "unet"), ("sd", "text_encoder"), ("sdxl", "unet"), ("sdxl", "text_encoder"), ("sdxl", "text_encoder_2")],
)
@pytest.mark.parametrize("ending", [".bin", ".fp16.safetensors"])
def test_a_part_without_readable_weights_is_refused(source, tmp_path, kind, part, ending):
    (weights,) = (source / part).glob("*.safetensors")
    weights.rename(weights.with_name(weights.stem + ending))
    with pytest.raises(RetortError, match=rf"{part} has no \.safetensors weights under their plain name"):
        fetch(source, tmp_path / "model", kind)


def test_weights_in_several_files_are_weights(source, tmp_path):
    (weights,) = (source / "unet").glob("*.safetensors")
    first = weights.rename(weights.with_name(f"{weights.stem}-00001-of-00002.safetensors"))
    model = fetch(source, tmp_path / "model", "sdxl")
    assert (model / "unet" / first.name).is_file()


# ---------------------------------------------------------------- what is asked of a hub

OFFERED = {
    "dit": ["transformer/config.json", "transformer/diffusion_pytorch_model.safetensors"],
    "vae": ["vae/config.json", "vae/diffusion_pytorch_model.safetensors"],
    "vae alone": ["config.json", "diffusion_pytorch_model.safetensors"],
    "sd": [
        "unet/config.json",
        "unet/diffusion_pytorch_model.safetensors",
        "text_encoder/config.json",
        "text_encoder/model.safetensors",
        "tokenizer/vocab.json",
        "tokenizer/merges.txt",
        "tokenizer/tokenizer_config.json",
    ],
    "xl": [
        "text_encoder_2/config.json",
        "text_encoder_2/model.safetensors",
        "tokenizer_2/vocab.json",
        "tokenizer_2/merges.txt",
        "tokenizer_2/tokenizer_config.json",
    ],
    "all": ["model_index.json", "scheduler/scheduler_config.json"],
    "none": [
        "README.md",
        "sd_xl_base_1.0.safetensors",
        "unet/diffusion_pytorch_model.fp16.safetensors",
        "unet/openvino_model.bin",
        "vae_1_0/config.json",
        "safety_checker/model.safetensors",
        "unet/model.onnx",
        "vae/diffusion_pytorch_model.fp16.safetensors",
        "text_encoder/model.fp16.safetensors",
    ],
}


@pytest.mark.parametrize(
    ("kind", "wanted"),
    [("vae", ["vae", "vae alone"]), ("dit", ["dit", "all"]), ("sd", ["sd", "all"]), ("sdxl", ["sd", "xl", "all"])],
)
def test_of_a_hubs_repository_only_what_the_kind_reads_is_asked_for(tmp_path, monkeypatch, kind, wanted):
    asked = {}

    def snapshot_download(hub_id, *, revision, **patterns):
        asked.update(patterns)
        return str(tmp_path / "snapshots" / "0123abc")

    monkeypatch.setattr(huggingface_hub, "snapshot_download", snapshot_download)
    with pytest.raises(RetortError, match="it lacks"):
        fetch_model(str(tmp_path / "model"), name="mine", kind=kind, source="someone/something", revision="main")
    offered = [file for files in OFFERED.values() for file in files]
    assert sorted(filter_repo_objects(offered, **asked)) == sorted(f for w in wanted for f in OFFERED[w])
