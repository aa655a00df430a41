"""Files and directories appear whole or not at all."""

import os
from pathlib import Path

import pytest

from retort.data.files import read_json, read_rows, whole_directory, whole_file, write_json, write_rows


class Interrupted(BaseException):
    """As a cancelled job raises, which `except Exception` does not see."""


def fail_with(error: type[BaseException], scratch: Path, half: str) -> None:
    (scratch / half if scratch.is_dir() else scratch).write_text("half")
    raise error


def names(folder: Path) -> list[str]:
    return sorted(p.name for p in folder.iterdir())


# ---------------------------------------------------------------- files


def test_file_appears_only_at_the_end_and_makes_its_folder(tmp_path):
    target = tmp_path / "a" / "b" / "x.txt"
    with whole_file(target) as scratch:
        scratch.write_text("new")
        assert not target.exists()
        assert scratch.parent == target.parent  # on one file system, so that the rename is atomic
    assert target.read_text() == "new"
    assert names(target.parent) == ["x.txt"]


def test_old_file_stays_until_the_new_one_is_whole(tmp_path):
    target = tmp_path / "x.txt"
    target.write_text("old")
    with whole_file(str(target)) as scratch:
        scratch.write_text("new")
        assert target.read_text() == "old"
    assert target.read_text() == "new"


@pytest.mark.parametrize("error", [ValueError, Interrupted])
@pytest.mark.parametrize("old", [None, "old"])
def test_failure_leaves_the_old_file_and_no_scratch(tmp_path, error, old):
    target = tmp_path / "x.txt"
    if old:
        target.write_text(old)
    with pytest.raises(error), whole_file(target) as scratch:
        fail_with(error, scratch, "")
    assert names(tmp_path) == (["x.txt"] if old else [])
    assert old is None or target.read_text() == old


def test_block_that_writes_nothing_is_an_error_and_keeps_the_old_file(tmp_path):
    target = tmp_path / "x.txt"
    target.write_text("old")
    with pytest.raises(FileNotFoundError), whole_file(target):
        pass
    assert target.read_text() == "old"


def test_file_is_on_disk_before_it_is_renamed_and_its_name_after(tmp_path, monkeypatch):
    calls = []
    fsync, replace = os.fsync, os.replace
    monkeypatch.setattr(os, "fsync", lambda *a: calls.append("fsync") or fsync(*a))
    monkeypatch.setattr(os, "replace", lambda *a: calls.append("replace") or replace(*a))
    with whole_file(tmp_path / "x.txt") as scratch:
        scratch.write_text("new")
    assert calls == ["fsync", "replace", "fsync"]  # the content, then the name of it


# ---------------------------------------------------------------- directories


def test_directory_appears_only_at_the_end_and_replaces_the_old_one(tmp_path):
    target = tmp_path / "sub" / "d"
    target.mkdir(parents=True)
    (target / "old").touch()
    with whole_directory(target) as scratch:
        (scratch / "new").touch()
        assert names(target) == ["old"]
    assert names(target) == ["new"]
    assert names(target.parent) == ["d"]


@pytest.mark.parametrize("error", [ValueError, Interrupted])
@pytest.mark.parametrize("old", [False, True])
def test_failure_leaves_the_old_directory_and_no_scratch(tmp_path, error, old):
    target = tmp_path / "d"
    if old:
        target.mkdir()
        (target / "old").touch()
    with pytest.raises(error), whole_directory(target) as scratch:
        fail_with(error, scratch, "half")
    assert names(tmp_path) == (["d"] if old else [])
    assert not old or names(target) == ["old"]


def test_what_a_killed_job_left_behind_does_not_get_into_the_next_directory(tmp_path):
    with whole_directory(tmp_path / "d") as scratch:
        pass
    scratch.mkdir()
    (scratch / "left behind").touch()
    with whole_directory(tmp_path / "d") as scratch:
        (scratch / "new").touch()
    assert names(tmp_path / "d") == ["new"]


# ---------------------------------------------------------------- JSON and CSV

TRICKY = ['a, "b"', "two\nlines", "Käfer 甲虫", " spaces ", ""]


def test_json_reads_back_equal_and_ends_with_a_newline(tmp_path):
    content = {"words": TRICKY, "number": 0.1, "none": None}
    write_json(tmp_path / "x.json", content)
    assert read_json(tmp_path / "x.json") == content
    assert (tmp_path / "x.json").read_bytes().endswith(b"}\n")
    assert "甲虫" in (tmp_path / "x.json").read_text(encoding="utf-8")


def test_rows_read_back_equal_whatever_the_text(tmp_path):
    rows = [{"id": str(i), "text": text} for i, text in enumerate(TRICKY)]
    write_rows(tmp_path / "x.csv", ["id", "text"], rows)
    assert read_rows(tmp_path / "x.csv") == rows


def test_no_rows_still_have_a_header(tmp_path):
    write_rows(tmp_path / "x.csv", ["id", "text"], [])
    assert (tmp_path / "x.csv").read_text() == "id,text\n"
    assert read_rows(tmp_path / "x.csv") == []


def test_row_with_another_column_is_an_error_and_leaves_nothing(tmp_path):
    with pytest.raises(ValueError, match="extra"):
        write_rows(tmp_path / "x.csv", ["id"], [{"id": 1, "extra": 2}])
    assert names(tmp_path) == []
