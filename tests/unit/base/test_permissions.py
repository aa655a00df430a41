"""Whoever the umask lets read new files can read what is written here; safetensors writes for the owner alone."""

import os
import stat
from pathlib import Path

import pytest
from safetensors.torch import save_file
from tests.helpers import tiny_pipelines as tiny
from tests.unit.models.test_training_state import training

from retort.base.files import whole_directory, whole_file
from retort.models.classifiers import build_classifier
from retort.models.teacher import save_teacher
from retort.models.training_state import Checkpoint


@pytest.fixture(params=[0o022, 0o027, 0o002, 0o077], ids=oct)
def umask(request):
    before = os.umask(request.param)
    yield request.param
    os.umask(before)


def permissions(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_safetensors_itself_writes_for_the_owner_alone(tmp_path):
    """If this fails, what the other tests hold needs no helper any more."""
    save_file(training().module.state_dict(), tmp_path / "x")
    assert permissions(tmp_path / "x") == 0o600


def test_a_checkpoint_has_the_permissions_of_any_new_file(tmp_path, umask):
    Checkpoint(tmp_path / "state.safetensors", "this").save(training(), 7)
    assert permissions(tmp_path / "state.safetensors") == 0o666 & ~umask
    assert [path.name for path in tmp_path.iterdir()] == ["state.safetensors"]


def test_a_model_has_them_in_every_folder_of_it(tmp_path, umask):
    with whole_directory(tmp_path / "model") as scratch:
        save_teacher(build_classifier("resnet8s", 2, 8), scratch, "resnet8s", ["a", "b"], 8)
        tiny.vae().save_pretrained(scratch / "vae", safe_serialization=True)
    written = [path for path in (tmp_path / "model").rglob("*") if path.is_file()]
    assert {path.name for path in written} >= {"model.safetensors", "teacher.json", "config.json"}
    assert len([path for path in written if path.suffix == ".safetensors"]) == 2
    assert {permissions(path) for path in written} == {0o666 & ~umask}


def test_what_a_stage_made_private_by_more_than_a_library_stays_so(tmp_path):
    with whole_file(tmp_path / "x") as scratch:
        scratch.write_text("x")
        scratch.chmod(0o640)
    assert permissions(tmp_path / "x") == 0o640


def test_a_second_name_of_a_file_keeps_the_permissions_of_the_first(tmp_path):
    """A fetched model's files may be the cache's own."""
    cached = tmp_path / "cached"
    cached.touch(mode=0o600)
    with whole_directory(tmp_path / "model") as scratch:
        os.link(cached, scratch / "linked")
    assert permissions(cached) == 0o600
