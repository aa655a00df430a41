"""Configs that say only how they differ from another one."""

from pathlib import Path
from typing import Any

from pydantic_core import PydanticCustomError

from retort.base.errors import RetortError
from retort.base.paths import expanded
from retort.config.strict_yaml import read_strictly

REPOSITORY = Path(__file__).resolve().parents[3]
KEY = "extends"


def inherited(raw: dict[str, Any]) -> dict[str, Any]:
    """`raw` laid over the config that its `extends` names, which may extend another; `raw` itself without one.

    Tables are merged key by key, a null takes a key away, anything else (lists too) replaces what was there. A path is
    looked up where snakemake is started, then in the repository. Raises RetortError for a file that is missing or is
    no table, and for a circle.
    """
    chain, seen = [raw], []
    while isinstance(raw := chain[-1], dict) and (named := raw.get(KEY)) is not None:
        file = _find(named)
        if file in seen:
            raise RetortError(
                f"{KEY}: {' -> '.join(map(str, [*seen, file]))} is a circle; one of them must extend nothing"
            )
        seen.append(file)
        chain.append(_read(file))
    whole = chain.pop()
    while chain:
        whole = merged(whole, {key: value for key, value in chain.pop().items() if key != KEY})
    return whole


def _find(named: Any) -> Path:
    try:
        path = expanded(str(named))
    except PydanticCustomError as error:
        raise RetortError(f"{KEY}: {error.message()}") from None
    candidates = [Path(path).absolute(), REPOSITORY / path]
    for file in candidates:
        if file.is_file():
            return file.resolve()
    raise RetortError(f"{KEY}: there is no file {named!r}; its path starts where snakemake is started")


def _read(file: Path) -> dict[str, Any]:
    table = read_strictly(file)
    if not isinstance(table, dict):
        raise RetortError(f"{KEY}: {file} is no config, which is a table")
    return table


def merged(base: Any, changes: Any) -> Any:
    """`changes` laid over `base`, see `inherited`. A table by numbers, {10: 50, 50: 100}, is one value."""
    if not (isinstance(base, dict) and isinstance(changes, dict)) or any(str(key).isdigit() for key in changes):
        return changes
    keys = {key: None for key in (*base, *changes) if changes.get(key, base.get(key)) is not None}
    return {key: merged(base.get(key), changes[key]) if key in changes else base[key] for key in keys}
