"""From a plain mapping to a checked config, or one error that names every mistake in it."""

from collections.abc import Sequence
from copy import deepcopy
from typing import Any

from retort.base.errors import RetortError
from retort.config.arithmetic import misfits
from retort.config.inherit import inherited
from retort.config.mistakes import empty_stages, filled, typed, yaml_booleans
from retort.config.references import dangling
from retort.config.schema import Config

# `snakemake NAME` runs a method, so a method may not be called like one of these targets.
RESERVED_TARGETS = ("all", "fetch", "tables", "figures", "exports", "report")


def load_config(raw: dict[str, Any], reserved: Sequence[str] = RESERVED_TARGETS) -> Config:
    """The typed config for the mapping `raw`, laid over the config that it extends, if it does.

    Raises RetortError listing each mistake with its place, what was found and what is allowed: types, ranges,
    unknown keys first; then names that point nowhere or at the wrong kind of thing.
    """
    raw = filled(deepcopy(inherited(raw)))
    config, problems = typed(raw)
    if config is not None:
        problems += [*yaml_booleans(raw, config), *empty_stages(raw), *dangling(config, reserved), *misfits(config)]
    if problems:
        raise RetortError(_report(problems))
    return config


def _report(problems: list[str]) -> str:
    head = "the config has a mistake:" if len(problems) == 1 else f"the config has {len(problems)} mistakes:"
    return "\n  - ".join([head, *problems])
