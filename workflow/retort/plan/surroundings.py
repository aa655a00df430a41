"""Where a run takes place: paths that Snakemake cannot handle, and what the machine refuses while a run is planned."""

import re
from collections.abc import Iterable
from pathlib import Path

from retort.base.errors import RetortError

# What a shell would not take as it is. Snakemake puts the path of its Python into a command without quotes.
ODD_IN_SHELL = re.compile(r"[\s'\"\\$`()\[\]{}*?<>|;&!#~]")
BRACES = re.compile(r"[{}]")  # Snakemake formats the paths of scripts, and takes these for the name of a variable


def refuse_odd_paths(folders: Iterable[str | Path], python: str) -> None:
    """Raises RetortError where jobs could not be started: braces in a path, or a Python that a shell does not find."""
    for folder in map(str, folders):
        if BRACES.search(folder):
            raise RetortError(
                f"the path {folder} has a brace, which Snakemake takes for the name of a variable; move or clone this "
                "folder to a path without { and }"
            )
    if found := ODD_IN_SHELL.search(python):
        raise RetortError(
            f"Python lies at {python}, and Snakemake starts it by a shell without quotes, which {found[0]!r} breaks; "
            "make the environment elsewhere (python3 -m venv PLAIN_PATH, then uv pip install -r envs/requirements.txt)"
        )


def refuse_another_clone(library: Path) -> None:
    """Raises RetortError where this package is not the one in `library`: a workflow has taken modules of two clones."""
    if not Path(__file__).samefile(library / "retort" / "plan" / Path(__file__).name):
        raise RetortError(
            f"rules of {library.parent} met the library of {Path(__file__).parents[3]}: one workflow can use several "
            "modules of one clone of Retort, but not of two; name the same Snakefile for all of them"
        )


def refused(error: OSError) -> str:
    """One line for what the operating system refused while the run was planned."""
    place = error.filename or "a file that the plan needs"
    remedy = (
        "give yourself the right to read it (chmod u+rX), or take it out of the data set"
        if isinstance(error, PermissionError)
        else "see whether the disk or the share that holds it is there and whole"
    )
    return f"{place} cannot be looked at: {error.strerror or error}; {remedy}"
