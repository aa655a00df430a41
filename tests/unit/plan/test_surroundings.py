"""Paths and permissions that would end a run in somebody else's traceback."""

import os
import subprocess
from pathlib import Path

import pytest

from retort.base.errors import RetortError
from retort.data.classes import look_into
from retort.parts.layouts.folder import Folder
from retort.plan.surroundings import refuse_odd_paths, refused

REPOSITORY = Path(__file__).resolve().parents[3]
ODD = [
    "a b",
    "it's",
    'a"b',
    "c[d]",
    "e(f)",
    "a$b",
    "a`b",
    "a;b",
    "a&b",
    "a*b",
    "a?b",
    "a!b",
    "a#b",
    "a|b",
    "a\\b",
    "a\tb",
]


@pytest.mark.parametrize("name", ODD)
def test_a_python_that_a_shell_would_not_find_is_refused_by_its_path(name):
    with pytest.raises(RetortError, match=r"Python lies at .* shell without quotes") as caught:
        refuse_odd_paths(["/home/me/retort"], f"/home/{name}/bin/python")
    assert f"/home/{name}/bin/python" in str(caught.value)


@pytest.mark.parametrize("name", ODD)
def test_a_folder_of_such_a_name_is_fine_where_python_is_elsewhere(name):
    refuse_odd_paths([f"/home/{name}", Path("/srv", name)], "/usr/bin/python3.11")


@pytest.mark.parametrize("folder", ["/home/{me}", "/home/a}", "/srv/{"])
def test_braces_are_refused_wherever_they_are(folder):
    with pytest.raises(RetortError, match="has a brace"):
        refuse_odd_paths(["/home", folder], "/usr/bin/python3")


@pytest.mark.parametrize("name", [*ODD, "a{b}"])
def test_make_says_in_one_line_that_the_path_is_odd(tmp_path, name):
    folder = tmp_path / name
    folder.mkdir()
    (folder / "Makefile").write_text((REPOSITORY / "Makefile").read_text())
    done = subprocess.run(["make", "-n", "clean"], cwd=folder, capture_output=True, text=True)
    assert done.returncode == 2
    assert "This folder's path has a space, a quote, a bracket" in done.stderr
    assert "move the clone" in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_make_takes_an_ordinary_path(tmp_path):
    folder = tmp_path / "réseau-2.0_+@x"
    folder.mkdir()
    (folder / "Makefile").write_text((REPOSITORY / "Makefile").read_text())
    done = subprocess.run(["make", "-n", "clean"], cwd=folder, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


# ---------------------------------------------------------------- what may not be read


@pytest.fixture
def images(tmp_path):
    for name in ("ant", "bee"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "0.png").touch()
    return Folder(kind="folder", name="own", resolution=32, path=str(tmp_path))


@pytest.mark.parametrize("lacks", [os.R_OK, os.X_OK])
def test_a_class_folder_that_may_not_be_read_is_named(images, monkeypatch, lacks):
    """As root every folder may be read, so the system's answer is put in its mouth."""
    look_into(images, ["ant", "bee"])
    closed = Path(images.path, "bee")
    monkeypatch.setattr(os, "access", lambda path, mode: not (Path(path) == closed and mode & lacks))
    with pytest.raises(PermissionError) as caught:
        look_into(images, ["ant", "bee"])
    said = refused(caught.value)
    assert said.startswith(f"{closed} cannot be looked at: Permission denied; give yourself the right to read it")


def test_another_refusal_names_the_place_and_asks_for_the_disk():
    said = refused(OSError(5, "Input/output error", "/mnt/images/ant"))
    assert said == (
        "/mnt/images/ant cannot be looked at: Input/output error; see whether the disk or the share that holds it is "
        "there and whole"
    )
