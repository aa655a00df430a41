"""Paths as people write them in a config: with ~ for a home, variables of the environment, retort: for what comes with
Retort."""

import os
import re
from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator
from pydantic_core import PydanticCustomError

_VARIABLE = re.compile(r"\$(?:\{(?P<braced>[A-Za-z_]\w*)\}|(?P<bare>[A-Za-z_]\w*))")


def with_variables(path: str) -> str:
    """The path with the values of $NAME and ${NAME} in it; unchanged where a file of that very name lies there.

    Raises PydanticCustomError for variables that the environment does not have.
    """
    named = [match["braced"] or match["bare"] for match in _VARIABLE.finditer(path)]
    if not named or os.path.lexists(path):
        return path
    if missing := sorted({name for name in named if name not in os.environ}):
        raise PydanticCustomError(
            "variable",
            "the environment has no variable {names}; set it, or write the path out",
            {"names": ", ".join(f"${name}" for name in missing)},
        )
    return _VARIABLE.sub(lambda match: os.environ[match["braced"] or match["bare"]], path)


def expanded(path: str) -> str:
    """The same with a home in the place of a leading ~ or ~USER.

    Raises also for a USER who is not known, and for a path of no letters, which would be the folder one is in.
    """
    if not path.strip("\0").strip():
        raise PydanticCustomError(
            "blank_path", "must name a file or folder ('.' is the one where snakemake starts)", {}
        )
    path = with_variables(path)
    if not path.startswith("~") or os.path.lexists(path):
        return path
    if (found := str(Path(path).parts[0])) and os.path.expanduser(found) == found:  # noqa: PTH111 (Path's raises)
        raise PydanticCustomError("home", "nobody here is called {name}; write the path out", {"name": found[1:]})
    return os.path.expanduser(path)  # noqa: PTH111


PACKAGED = "retort:"
SHIPPED = Path(__file__).parents[2] / "models"


def path_of_source(source: str) -> Path:
    """Where the source of a model or a teacher lies on this machine, if it is a path.

    A leading ~ is a home, and retort:NAME is a model that comes with Retort, in its folder workflow/models.
    """
    if source.startswith(PACKAGED):
        return SHIPPED / source.removeprefix(PACKAGED)
    return Path(source).expanduser()


LocalPath = Annotated[str, AfterValidator(expanded)]
# Of a model or a teacher. The job that fetches it expands ~, so that the source is recorded as the config has it.
Source = Annotated[str, AfterValidator(with_variables)]
