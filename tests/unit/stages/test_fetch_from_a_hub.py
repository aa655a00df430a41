"""What is asked of a hub, which is faked here; tests/end_to_end/test_network.py asks a real one."""

import os
import shutil
from pathlib import Path
from types import SimpleNamespace

import huggingface_hub
import pytest
from huggingface_hub.errors import HTTPError, LocalEntryNotFoundError, OfflineModeIsEnabled
from huggingface_hub.utils import filter_repo_objects
from tests.helpers.fetched_models import COMMIT, PIPELINE, digest, fetch

from retort.base.errors import RetortError
from retort.base.files import read_json

OFFERED = {
    "dit": ["transformer/config.json", "transformer/diffusion_pytorch_model.safetensors"],
    "vae": ["vae/config.json", "vae/diffusion_pytorch_model.safetensors"],
    "vae alone": ["config.json", "diffusion_pytorch_model.safetensors"],
    "refiner": ["unet/config.json", "unet/diffusion_pytorch_model.safetensors"],
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
        "diffusion_pytorch_model.bin",
        "diffusion_pytorch_model.fp16.safetensors",
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


class Hub:
    """What huggingface_hub does, with a directory as the repository and links into a cache as the real one has them."""

    def __init__(self, repository: Path, cache: Path, monkeypatch):
        self.repository, self.cache, self.asked, self.lies, self.down = repository, cache, [], {}, None
        monkeypatch.setattr(huggingface_hub, "snapshot_download", self.snapshot_download)
        monkeypatch.setattr(huggingface_hub.HfApi, "model_info", lambda _, *a, **k: self.model_info(*a, **k))

    def files(self) -> list[str]:
        return sorted(f.relative_to(self.repository).as_posix() for f in self.repository.rglob("*") if f.is_file())

    def model_info(self, hub_id, *, revision, files_metadata):
        if self.down:
            raise self.down
        assert files_metadata
        self.asked.append((hub_id, revision))
        siblings = []
        for file in self.files():
            told = digest(self.repository / file) | self.lies.get(file, {})
            large = SimpleNamespace(sha256=told["sha256"]) if file.endswith(".safetensors") else None
            siblings.append(SimpleNamespace(rfilename=file, size=told["bytes"], lfs=large))
        return SimpleNamespace(sha=COMMIT, siblings=siblings)

    def snapshot_download(self, hub_id, *, revision, local_files_only=False, **patterns):
        self.asked.append((hub_id, revision, local_files_only))
        snapshot = self.cache / "snapshots" / COMMIT
        if local_files_only and not snapshot.exists():
            raise LocalEntryNotFoundError("nothing in the cache")
        for file in filter_repo_objects(self.files(), **patterns):
            blob, link = self.cache / "blobs" / digest(self.repository / file)["sha256"], snapshot / file
            for folder in (blob.parent, link.parent):
                folder.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(self.repository / file, blob)
            link.unlink(missing_ok=True)
            link.symlink_to(blob)
        return str(snapshot)


@pytest.fixture
def hub(tmp_path, monkeypatch) -> Hub:
    return Hub(PIPELINE, tmp_path / "cache", monkeypatch)


def offered(folder: Path) -> list[str]:
    """An empty file of each name that a pipeline's repository may have."""
    names = [file for files in OFFERED.values() for file in files]
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(b"")
    return names


@pytest.mark.parametrize(
    ("kind", "wanted"),
    [
        ("vae", ["vae", "vae alone"]),
        ("dit", ["dit", "all"]),
        ("sd", ["sd", "all"]),
        ("sdxl", ["sd", "xl", "all"]),
        ("sdxl-refiner", ["refiner", "xl", "all"]),
    ],
)
def test_of_a_hubs_repository_only_what_the_kind_reads_is_asked_for(tmp_path, monkeypatch, kind, wanted):
    offered(tmp_path / "repository")
    Hub(tmp_path / "repository", tmp_path / "cache", monkeypatch)
    with pytest.raises(RetortError):  # empty files
        fetch("someone/something", tmp_path / "model", kind)
    snapshot = tmp_path / "cache" / "snapshots" / COMMIT
    got = sorted(link.relative_to(snapshot).as_posix() for link in snapshot.rglob("*") if link.is_symlink())
    assert got == sorted({f for w in wanted for f in OFFERED[w]})


def test_all_files_are_taken_at_the_commit_that_the_revision_stands_for(hub, tmp_path):
    origin = read_json(fetch("someone/something", tmp_path / "model", "dit", revision="main") / "origin.json")
    assert hub.asked == [("someone/something", "main"), ("someone/something", COMMIT, False)]
    assert (origin["source"], origin["revision"]) == ("someone/something", COMMIT)
    weights = "transformer/diffusion_pytorch_model.safetensors"
    assert origin["files"][weights] == digest(PIPELINE / weights)


@pytest.mark.parametrize("revision", [None, "main", "v1.0", "abcdef0"])
def test_what_is_not_pinned_is_said_with_the_commit_to_pin(hub, tmp_path, capsys, revision):
    fetch("someone/something", tmp_path / "model", "dit", revision)
    assert f"write into the config: revision: {COMMIT}" in capsys.readouterr().out


@pytest.mark.parametrize("revision", [COMMIT, COMMIT[:8]])
def test_of_what_is_pinned_nothing_is_said(hub, tmp_path, capsys, revision):
    fetch("someone/something", tmp_path / "model", "dit", revision)
    assert capsys.readouterr().out == ""


def test_files_of_the_hub_take_no_space_twice_and_are_files_not_links(hub, tmp_path):
    model = fetch("someone/something", tmp_path / "model", "vae")
    weights = model / "diffusion_pytorch_model.safetensors"
    blob = tmp_path / "cache" / "blobs" / digest(weights)["sha256"]
    assert weights.stat().st_ino == blob.stat().st_ino
    assert not weights.is_symlink()
    shutil.rmtree(tmp_path / "cache")
    assert digest(weights) == digest(PIPELINE / "vae" / weights.name)


def test_files_of_the_hub_are_copied_from_another_file_system(hub, tmp_path, monkeypatch):
    def link(*_):
        raise OSError(18, "Invalid cross-device link")

    monkeypatch.setattr(os, "link", link)
    weights = fetch("someone/something", tmp_path / "model", "vae") / "diffusion_pytorch_model.safetensors"
    assert digest(weights) == digest(PIPELINE / "vae" / weights.name)
    assert not weights.is_symlink()


@pytest.mark.parametrize(
    ("file", "lie"),
    [
        ("vae/diffusion_pytorch_model.safetensors", {"sha256": "0" * 64}),
        ("vae/diffusion_pytorch_model.safetensors", {"bytes": 5}),
        ("vae/config.json", {"bytes": 5}),
    ],
)
def test_a_file_that_is_not_what_the_hub_says_is_refused_and_nothing_is_left(hub, tmp_path, file, lie):
    hub.lies = {file: lie}
    key, value = next(iter(lie.items()))
    with pytest.raises(RetortError, match=rf"{Path(file).name} has {key} .*, but the hub says {value}; delete .*blobs"):
        fetch("someone/something", tmp_path / "model", "vae")
    assert not (tmp_path / "model").exists()


@pytest.mark.parametrize("down", [OfflineModeIsEnabled("offline"), HTTPError("no route to host")])
def test_without_a_network_the_cache_serves_and_says_so(hub, tmp_path, capsys, down):
    fetch("someone/something", tmp_path / "first", "dit")
    hub.down = down
    again = fetch("someone/something", tmp_path / "again", "dit")
    assert "the hub cannot be reached" in capsys.readouterr().out
    assert read_json(again / "origin.json") == read_json(tmp_path / "first" / "origin.json")


def test_without_a_network_and_a_cache_the_error_names_the_model(hub, tmp_path):
    hub.down = OfflineModeIsEnabled("offline")
    with pytest.raises(RetortError, match=r"models\.mine\.source: 'someone/something' is neither a directory nor"):
        fetch("someone/something", tmp_path / "model", "dit")
