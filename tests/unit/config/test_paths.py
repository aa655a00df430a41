"""Paths of a config as people write them: with a home, with variables, and as they are."""

from copy import deepcopy
from pathlib import Path

import pytest
from tests.unit.plan.test_class_identity import BASE

from retort.base.errors import RetortError
from retort.config.load import load_config
from retort.data.classes import class_list


@pytest.fixture
def home(tmp_path, monkeypatch) -> Path:
    """A home with photos of two classes, and a variable that leads to it."""
    for class_id in ("ant", "bee"):
        (tmp_path / "photos" / class_id).mkdir(parents=True)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("SHELF", str(tmp_path))
    return tmp_path


def config_with(**dataset):
    raw = deepcopy(BASE)
    raw["dataset"] |= dataset
    return load_config(raw)


@pytest.mark.parametrize("path", ["~/photos", "$HOME/photos", "${SHELF}/photos", "$SHELF/./photos"])
def test_home_and_variables_in_the_path_of_images_are_expanded(home, path):
    dataset = config_with(path=path).dataset
    assert Path(dataset.path) == home / "photos"
    assert class_list(dataset) == ["ant", "bee"]


@pytest.mark.parametrize(
    "kind", ["cifar10", "cifar100", "fashion-mnist", "tiny-imagenet", "places365", "huggingface", "imagenet"]
)
def test_every_kind_of_data_set_expands_its_path(home, kind):
    assert config_with(kind=kind, path="~/photos").dataset.path == f"{home}/photos"


def test_all_paths_of_imagenet_are_expanded(home):
    dataset = config_with(kind="imagenet", path="$SHELF", val="~/val", ground_truth="${SHELF}/truth.txt").dataset
    assert (dataset.path, dataset.val, dataset.ground_truth) == (f"{home}", f"{home}/val", f"{home}/truth.txt")


def test_sources_of_models_and_teachers_take_variables_and_keep_the_home_for_the_job_that_fetches(home):
    raw = deepcopy(BASE) | {"models": {"vae": {"kind": "vae", "source": "$SHELF/vae"}}}
    raw["teachers"] = {"judge": {"arch": "resnet8", "source": "${SHELF}/judge.pth"}}
    config = load_config(raw)
    assert config.models["vae"].source == f"{home}/vae"
    assert config.teachers["judge"].source == f"{home}/judge.pth"
    for source in ("~/vae", "owner/vae"):
        raw["models"]["vae"]["source"] = source
        assert load_config(raw).models["vae"].source == source


def test_a_config_is_extended_from_a_home_or_a_variable(home):
    base = deepcopy(BASE)
    (home / "base.yaml").write_text("seed: 7\n")
    for path in ("~/base.yaml", "$SHELF/base.yaml"):
        assert load_config(base | {"extends": path}).seed == 7
    with pytest.raises(RetortError, match=r"extends: the environment has no variable \$NOWHERE"):
        load_config(base | {"extends": "$NOWHERE/base.yaml"})


@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("$PHOTOS_OF_NOBODY/x", r"dataset\.path: the environment has no variable \$PHOTOS_OF_NOBODY; set it, or write"),
        ("~nobody-by-this-name/x", r"dataset\.path: nobody here is called nobody-by-this-name"),
    ],
)
def test_what_cannot_be_expanded_is_refused_with_its_name(home, path, message):
    with pytest.raises(RetortError, match=message):
        config_with(path=path)


def test_a_folder_whose_name_has_such_signs_is_taken_as_it_is(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("~photos", "$photos"):
        Path(name).mkdir()
        assert config_with(path=name).dataset.path == name
    assert config_with(path="5$ and more").dataset.path == "5$ and more"
