"""Sources on this machine: a changed file that is read is noticed, and nothing else; what is gone has not changed."""

import os
import shutil
from pathlib import Path

import pytest

from retort.base.files import read_json, write_json
from retort.data.stamps import source_stamp
from retort.models.sources import model_files, teacher_files
from retort.stages.models.fetch_model import fetch_model

FIXTURES = Path(__file__).resolve().parents[2] / "fixtures" / "parity"
PIPELINE, SDXL = FIXTURES / "d3hr_sample" / "pipeline", FIXTURES / "coda_guidance" / "pipeline"
NOWHERE = Path("nowhere")


def written(root: Path, *names: str) -> Path:
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text("something")
        os.utime(root / name, (1_500_000_000, 1_500_000_000))
    return root


def read_of(root: Path, kind: str, allow_pickle: bool = False) -> set[str]:
    return {file.relative_to(root).as_posix() for file in model_files(str(root), kind, allow_pickle)}


@pytest.mark.parametrize(
    ("kind", "source"), [("dit", PIPELINE), ("vae", PIPELINE), ("vae", SDXL / "vae"), ("sdxl", SDXL)]
)
def test_the_files_of_a_model_are_those_that_are_copied(tmp_path, kind, source):
    copied = tmp_path / "model"
    fetch_model(str(copied), name="mine", kind=kind, source=str(source), revision=None)
    found = model_files(str(source), kind, False)
    root = source / "vae" if kind == "vae" and (source / "vae").is_dir() else source
    assert {file.relative_to(root).as_posix() for file in found} == set(read_json(copied / "origin.json")["files"])


def test_what_is_never_read_of_a_directory_does_not_count(tmp_path):
    weights = "transformer/diffusion_pytorch_model"
    unread = [f"{weights}.bin", f"{weights}.fp16.safetensors", ".git/config", "scheduler/.cache/x.json", "old.ckpt"]
    root = written(tmp_path, f"{weights}.safetensors", "model_index.json", *unread)
    assert read_of(root, "dit") == {f"{weights}.safetensors", "model_index.json"}


def test_a_pickle_counts_where_it_is_read(tmp_path):
    root = written(tmp_path, "config.json", "diffusion_pytorch_model.bin")
    assert read_of(root, "vae") == {"config.json"}
    assert read_of(root, "vae", allow_pickle=True) == {"config.json", "diffusion_pytorch_model.bin"}


def test_linked_folders_are_followed_as_they_are_copied(tmp_path):
    root = written(tmp_path / "model", "model_index.json")
    (root / "transformer").symlink_to(written(tmp_path / "elsewhere", "config.json"))
    assert read_of(root, "dit") == {"model_index.json", "transformer/config.json"}


def test_a_checkpoint_is_its_one_file_and_a_hub_id_none(tmp_path):
    checkpoint = written(tmp_path, "DiT-XL-2.pt", "other.pt") / "DiT-XL-2.pt"
    assert model_files(str(checkpoint), "dit", False) == [checkpoint]
    assert model_files("facebook/DiT-XL-2-256", "dit", False) == []


def test_a_teacher_is_its_checkpoint_with_what_is_said_beside_it(tmp_path):
    folder = written(tmp_path, "model.safetensors", "teacher.json", "last.pth")
    expected = [folder / "model.safetensors", folder / "teacher.json"]
    assert teacher_files(str(folder)) == teacher_files(str(folder / "model.safetensors")) == expected
    assert teacher_files(str(written(folder, "two.safetensors"))) == []
    assert teacher_files("nowhere.pth") == []


@pytest.mark.parametrize("change", [lambda file: file.write_text("otherwise"), os.utime, Path.unlink])
def test_a_changed_file_changes_the_stamp(tmp_path, change):
    root = written(tmp_path, "config.json", "diffusion_pytorch_model.safetensors")
    before = source_stamp(str(root), model_files(str(root), "vae", False), NOWHERE)
    assert before == source_stamp(str(root), model_files(str(root), "vae", False), NOWHERE)
    change(root / "diffusion_pytorch_model.safetensors")
    assert source_stamp(str(root), model_files(str(root), "vae", False), NOWHERE) not in (before, None)


def stamp_when_gone(source: str, folder: Path) -> str | None:
    return source_stamp(source, [], folder)


def test_a_model_whose_source_is_gone_is_as_it_was_fetched(tmp_path):
    source = shutil.copytree(PIPELINE, tmp_path / "source")
    fetched, stamp = tmp_path / "model", source_stamp(str(source), model_files(str(source), "dit", False), NOWHERE)
    fetch_model(str(fetched), name="mine", kind="dit", source=str(source), revision=None, stamp=stamp)
    assert stamp_when_gone(str(source), fetched) == stamp
    assert stamp_when_gone("owner/another", fetched) is None
    assert stamp_when_gone(str(source), tmp_path / "never fetched") is None


def test_a_teacher_whose_folder_is_gone_is_as_it_was_fetched(tmp_path):
    write_json(tmp_path / "origin.json", {"source": "~/teachers/mine/model.safetensors", "stamp": "0123"})
    assert stamp_when_gone("~/teachers/mine", tmp_path) == "0123"
    assert stamp_when_gone(str(Path("~/teachers/mine").expanduser()), tmp_path) == "0123"
    assert stamp_when_gone("~/teachers/other", tmp_path) is None


def test_a_model_of_the_hub_has_no_stamp(tmp_path):
    write_json(tmp_path / "origin.json", {"source": "owner/name", "revision": "0123"})
    assert stamp_when_gone("owner/name", tmp_path) is None
