"""From a plain mapping to a checked config, or one error that names every mistake in it."""

from collections.abc import Sequence
from copy import deepcopy
from typing import Any

from pydantic_core import PydanticCustomError

from retort.base.errors import RetortError
from retort.base.paths import expanded
from retort.config.arithmetic import misfits
from retort.config.inherit import inherited
from retort.config.mistakes import empty_stages, filled, typed, yaml_booleans
from retort.config.references import dangling
from retort.config.schema import Config
from retort.config.set_seeds import mistakes_of_set_seeds, with_other_sets
from retort.config.sweeps import said_of_sweeps, with_members
from retort.parts.foreign import look_in
from retort.parts.resolve import refuse_taken_names

# `snakemake NAME` runs a method, so a method may not be called like one of these targets.
RESERVED_TARGETS = ("all", "fetch", "tables", "figures", "exports", "report")


def load_config(raw: dict[str, Any], reserved: Sequence[str] = RESERVED_TARGETS) -> Config:
    """The typed config for the mapping `raw`, laid over the config that it extends, if it does.

    Raises RetortError listing each mistake with its place, what was found and what is allowed: types, ranges,
    unknown keys first; then names that point nowhere or at the wrong kind of thing.
    """
    raw = filled(deepcopy(inherited(raw)))
    _find_parts(raw)
    raw, of_sweeps = with_members(raw, reserved)
    config, problems = typed(raw)
    if config is not None:
        problems += [*yaml_booleans(raw, config), *empty_stages(raw), *dangling(config, reserved), *misfits(config)]
        problems += mistakes_of_set_seeds(config)
    if problems or of_sweeps:
        raise RetortError(_report([*of_sweeps, *said_of_sweeps(problems, raw)]))
    return with_other_sets(config)


def _find_parts(raw: Any) -> None:
    """Look for parts in the folders that a config names; whether the key is well-formed is seen later."""
    folders = raw.get("parts") if isinstance(raw, dict) else None
    named = [folder for folder in folders if isinstance(folder, str)] if isinstance(folders, list) else []
    try:
        look_in([expanded(folder) for folder in named])
        refuse_taken_names()
    except PydanticCustomError as error:
        raise RetortError(_report([f"parts: {error.message()}"])) from None
    except RetortError as error:
        raise RetortError(_report([str(error)])) from None


def _report(problems: list[str]) -> str:
    head = "the config has a mistake:" if len(problems) == 1 else f"the config has {len(problems)} mistakes:"
    return "\n  - ".join([head, *problems])
