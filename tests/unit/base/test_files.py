"""Files and directories appear whole or not at all."""

import errno
import os
import shutil
from contextlib import nullcontext
from pathlib import Path

import pytest

from retort.base import files
from retort.base.errors import Corrupt
from retort.base.files import read_json, read_rows, whole_directory, whole_file, write_json, write_rows
from retort.base.tables import read_table


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


def test_what_a_killed_attempt_left_is_removed_by_the_next_one_and_nothing_else_is(tmp_path):
    ours = [".x.txt.0123abcd.part", ".x.txt.4711.part"]
    others = [".x.0123abcd.part", ".x.txt.more.0123abcd.part", ".y.txt.0123abcd.part", "x.txt.part", ".xAtxt.1.part"]
    for name in [*ours, *others]:
        (tmp_path / name).touch()
    with whole_file(tmp_path / "x.txt") as scratch:
        scratch.touch()
    assert names(tmp_path) == sorted(["x.txt", *others])


def test_two_attempts_at_once_do_not_share_a_scratch_file(tmp_path):
    with whole_file(tmp_path / "x.txt") as one:
        one.write_text("orphan")
        with whole_file(tmp_path / "x.txt") as other:
            other.write_text("new")
            assert other != one
            assert not one.exists()
        one.write_text("orphan")
    assert names(tmp_path) == ["x.txt"]


def test_the_first_error_comes_up_when_the_scratch_file_cannot_be_removed_either(tmp_path, monkeypatch):
    def fail(*_, **__):
        raise OSError("read-only by now")

    monkeypatch.setattr(Path, "unlink", fail)
    with pytest.raises(Interrupted), whole_file(tmp_path / "x.txt") as scratch:
        fail_with(Interrupted, scratch, "")


@pytest.mark.parametrize("survives", [True, False])
def test_folders_that_cannot_be_flushed_are_let_be_but_other_errors_come_up(tmp_path, monkeypatch, survives):
    fsync = os.fsync

    def flush(handle: int) -> None:
        if Path(f"/proc/self/fd/{handle}").resolve() == tmp_path:
            raise OSError(errno.EINVAL if survives else errno.EIO, "cannot")
        fsync(handle)

    monkeypatch.setattr(os, "fsync", flush)
    with nullcontext() if survives else pytest.raises(OSError, match="cannot"), whole_file(tmp_path / "x") as scratch:
        scratch.touch()


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


def test_all_of_a_directory_is_on_disk_before_it_is_renamed_and_its_name_after(tmp_path, monkeypatch):
    target, flushed = tmp_path / "d", []
    monkeypatch.setattr(files, "_flush", lambda path: flushed.append((path, target.exists())))
    with whole_directory(target) as scratch:
        for name in ("a", "b/c", "b/d/e"):
            (scratch / name).parent.mkdir(parents=True, exist_ok=True)
            (scratch / name).touch()
    inside = [scratch / name for name in ("a", "b/c", "b/d/e", "", "b", "b/d")]
    assert sorted(flushed[:-1]) == sorted((path, False) for path in inside)
    assert {path for path, _ in flushed[:3]} == set(inside[:3])
    assert flushed[-1] == (tmp_path, True)


def test_a_flush_that_fails_leaves_the_old_directory(tmp_path, monkeypatch):
    def full(handle: int) -> None:
        raise OSError(errno.ENOSPC, "full")

    (tmp_path / "d").mkdir()
    (tmp_path / "d" / "old").touch()
    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="full"), whole_directory(tmp_path / "d") as scratch:
        (scratch / "new").touch()
    assert names(tmp_path) == ["d"]
    assert names(tmp_path / "d") == ["old"]


def test_a_rename_that_fails_puts_the_old_directory_back(tmp_path, monkeypatch):
    rename = Path.rename

    def fail(path: Path, to: Path):
        if path == scratch:
            raise OSError("cannot")
        return rename(path, to)

    (tmp_path / "d").mkdir()
    (tmp_path / "d" / "old").touch()
    monkeypatch.setattr(Path, "rename", fail)
    with pytest.raises(OSError, match="cannot"), whole_directory(tmp_path / "d") as scratch:
        (scratch / "new").touch()
    assert names(tmp_path) == ["d"]
    assert names(tmp_path / "d") == ["old"]


def test_a_directory_is_never_seen_half_removed(tmp_path, monkeypatch):
    """The old one is out of the way before anything of it is removed."""
    target, rmtree, seen = tmp_path / "d", shutil.rmtree, []
    target.mkdir()
    (target / "old").touch()
    monkeypatch.setattr(shutil, "rmtree", lambda path: seen.append(names(target)) or rmtree(path))
    with whole_directory(target) as scratch:
        (scratch / "new").touch()
    assert seen == [["new"]]
    assert names(tmp_path) == ["d"]


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


@pytest.mark.parametrize("kept", [-1, -2, -3])
def test_a_table_that_was_cut_off_within_its_last_number_is_refused(tmp_path, kept):
    """0.125 that was cut to 0.12 or 0.1 is still a number in the right column."""
    write_rows(tmp_path / "t.csv", ["image", "score"], [{"image": "a", "score": 0.5}, {"image": "b", "score": 0.125}])
    (tmp_path / "t.csv").write_bytes((tmp_path / "t.csv").read_bytes()[:kept])
    for read in (read_rows, lambda path: read_table(path, ["image", "score"])):
        with pytest.raises(Corrupt, match=r"t\.csv is cut off: its last line has no end; delete it and run again"):
            read(tmp_path / "t.csv")
