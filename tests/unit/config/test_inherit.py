"""A config that extends another is the other with its changes."""

import pytest
import yaml

from retort.base.errors import RetortError
from retort.config.inherit import inherited


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def write(folder, name, table):
    (folder / name).write_text(yaml.safe_dump(table))


def test_tables_are_merged_and_everything_else_is_replaced(folder):
    write(folder, "base.yaml", {"seed": 1, "dataset": {"name": "a", "kind": "folder"}, "runs": [1, 2]})
    raw = {"extends": "base.yaml", "dataset": {"name": "b"}, "runs": [3]}
    assert inherited(raw) == {"seed": 1, "dataset": {"name": "b", "kind": "folder"}, "runs": [3]}
    assert raw == {"extends": "base.yaml", "dataset": {"name": "b"}, "runs": [3]}


def test_null_takes_a_key_away(folder):
    write(folder, "base.yaml", {"methods": {"dit": {"generate": {"model": "dit"}}, "random": {"select": "random"}}})
    assert inherited({"extends": "base.yaml", "methods": {"dit": None}}) == {
        "methods": {"random": {"select": "random"}}
    }


def test_a_new_key_that_is_null_is_not_there(folder):
    write(folder, "base.yaml", {"seed": 1})
    assert inherited({"extends": "base.yaml", "models": None}) == {"seed": 1}


def test_a_table_takes_the_place_of_a_word_and_a_word_that_of_a_table(folder):
    write(folder, "base.yaml", {"start": "noise", "labels": {"teacher": "a"}})
    raw = {"extends": "base.yaml", "start": {"inversion": "ddim"}, "labels": "hard"}
    assert inherited(raw) == {"start": {"inversion": "ddim"}, "labels": "hard"}


def test_chains_are_followed_and_the_nearest_word_counts(folder):
    write(folder, "first.yaml", {"seed": 1, "a": 1, "b": 1})
    write(folder, "second.yaml", {"extends": "first.yaml", "a": 2, "b": 2})
    assert inherited({"extends": "second.yaml", "b": 3}) == {"seed": 1, "a": 2, "b": 3}


def test_shipped_configs_are_found_from_anywhere(folder):
    assert inherited({"extends": "configs/smoke.yaml", "seed": 5})["dataset"]["kind"] == "digits"


def test_without_extends_the_config_is_itself():
    assert inherited({"seed": 3, "models": None}) == {"seed": 3, "models": None}


def test_a_circle_is_refused_and_shown(folder):
    write(folder, "a.yaml", {"extends": "b.yaml"})
    write(folder, "b.yaml", {"extends": "a.yaml"})
    with pytest.raises(RetortError, match=r"a\.yaml -> .*b\.yaml -> .*a\.yaml is a circle"):
        inherited({"extends": "a.yaml"})


@pytest.mark.parametrize(
    ("content", "words"),
    [(None, "there is no file 'base.yaml'"), ("- 1\n", "is no config"), ("a: [1\n", "is no YAML")],
)
def test_a_base_that_cannot_be_read_is_refused(folder, content, words):
    if content is not None:
        (folder / "base.yaml").write_text(content)
    with pytest.raises(RetortError, match=words):
        inherited({"extends": "base.yaml"})


def test_a_table_by_numbers_is_one_value(folder):
    write(folder, "base.yaml", {"views": {"epochs": {10: 2000, 50: 1500}, "batch": 64}})
    raw = {"extends": "base.yaml", "views": {"epochs": {10: 500}}}
    assert inherited(raw) == {"views": {"epochs": {10: 500}, "batch": 64}}
