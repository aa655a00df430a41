"""A rule is a call: its names are the arguments of the function that has the stage's name, in the module of that name.

What a rule names as input, output or parameter must be an argument of the function, and every argument without a
default must be named by the rule, but for paths that may be absent (`str | None`, `Sequence[str]`); anything else is an
error. Inputs and parameters without a name are only waited for. Wildcards, resources, `threads` and `purpose` (see
`retort.running.job`) are there for functions that take them. Values become what the arguments are annotated as: a
number from a wildcard, a list of paths from one path, a settings object from its table.
"""

import inspect
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import is_dataclass
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from pkgutil import iter_modules
from types import NoneType, UnionType
from typing import Any, Union, get_args, get_origin, get_type_hints

from retort.parts.foreign import look_in
from retort.parts.part import Part
from retort.parts.resolve import part_of
from retort.running.job import job, purpose

ROOMS = "retort.stages"
UNBOUND = ("code", "checkpoint")  # parameters that `call` and `job` read; a function may still take the checkpoint


class Misfit(Exception):
    """A rule and the function of its stage do not agree."""


def call(snakemake) -> None:
    """Run the stage of a rule, as the one script of all rules does; see `job` for what is done around it."""
    function = stage(stage_name(snakemake.params.code))
    with job(snakemake):
        look_in(snakemake.config.get("parts", []))
        function(**arguments(function, Names(snakemake)))


def stage_name(code: str) -> str:
    """The stage of a rule, from its parameter `code`: the stage's name and its fingerprint."""
    return code.split()[0]


def stage(name: str) -> Callable:
    """The function of this name in the module of this name, in whatever room of `retort.stages` that is."""
    for room in iter_modules(import_module(ROOMS).__path__, f"{ROOMS}."):
        if room.ispkg and find_spec(f"{room.name}.{name}"):
            return getattr(import_module(f"{room.name}.{name}"), name)
    raise Misfit(f"no room of {ROOMS} has a module {name}")


class Names:
    """What a job of a rule offers by name.

    needed: inputs, outputs and parameters, which the function must take; the keys of a parameter `arguments`, a table,
    count as names of their own. spare: what else there is. A parameter goes before a wildcard of its name.
    """

    def __init__(self, job):
        self._job = job
        params = dict(job.params.items())
        more = params.pop("arguments", None) or {}
        named = [dict(job.input.items()), dict(job.output.items()), params, more]
        self.needed = {key: value for table in named for key, value in table.items() if key not in UNBOUND}
        counts = Counter(key for table in named for key in table)
        if twice := [key for key, count in counts.items() if count > 1]:
            raise Misfit(f"input, output and params name {', '.join(sorted(twice))} twice")
        resources = {key: value for key, value in job.resources.items() if not key.startswith("_")}
        self.spare = resources | dict(job.wildcards.items()) | {"threads": job.threads}
        self.spare |= {key: params[key] for key in UNBOUND if key in params}

    def __contains__(self, name: str) -> bool:
        return name == "purpose" or name in self.needed or name in self.spare

    def __getitem__(self, name: str) -> Any:
        if name == "purpose":
            return purpose(self._job)
        return self.needed[name] if name in self.needed else self.spare[name]


def arguments(function: Callable, names: Names) -> dict[str, Any]:
    """What to call the function of a stage with. Raises Misfit where names of the rule and arguments differ."""
    used: set[str] = set()
    found = _bound(function, names, used)
    if too_many := set(names.needed) - used:
        raise Misfit(f"{function.__name__} takes no {', '.join(sorted(too_many))}")
    return found


def _bound(function: Callable, names: Names, used: set[str]) -> dict[str, Any]:
    hints, found = get_type_hints(function), {}
    for name, argument in inspect.signature(function).parameters.items():
        hint = hints.get(name, Any)
        if maker := _maker(hint):
            found[name] = maker(**_bound(maker, names, used))
        elif name in names:
            used.add(name)
            found[name] = converted(names[name], hint)
        elif argument.default is inspect.Parameter.empty:
            if not (_may_be_none(hint) or get_origin(hint) in (list, Sequence)):
                raise Misfit(f"{function.__qualname__} needs {name}, which the rule does not name")
            found[name] = None if _may_be_none(hint) else []
    return found


def _maker(hint: Any) -> Callable | None:
    """`from_rule` of a class whose objects are made from several names of a rule: its arguments are these names."""
    return next((kind.from_rule for kind in (hint, *get_args(hint)) if hasattr(kind, "from_rule")), None)


def _may_be_none(hint: Any) -> bool:
    return NoneType in get_args(hint)


def converted(value: Any, hint: Any) -> Any:
    """A value of a rule as an argument with this annotation."""
    origin, inner = get_origin(hint), get_args(hint)
    if origin in (Union, UnionType):
        if value is None or (_may_be_none(hint) and _is_list(value) and not len(value)):
            return None
        kinds = [kind for kind in inner if kind is not NoneType]
        return converted(value, kinds[0]) if len(kinds) == 1 else value
    if value is None and hint in (str, int, float, bool, Path):
        raise Misfit(f"None is given where {hint.__name__} is taken")
    if hint is str and not isinstance(value, str):
        return str(_only(value))
    if hint in (int, float, bool, Path):
        return hint(_only(value))
    if hasattr(hint, "parse"):
        return hint.parse(value)
    if _is_part(hint):
        return value if isinstance(value, hint) else part_of(value["family"], value["keys"])
    if is_dataclass(hint):
        return value if isinstance(value, hint) else hint(**_fields(value, hint))
    if origin in (list, Sequence):
        return [converted(item, inner[0]) for item in (value if _is_list(value) else [value])]
    if origin in (dict, Mapping) and is_dataclass(inner[1]):
        return {key: converted(item, inner[1]) for key, item in value.items()}
    return value


def _fields(table: Mapping, kind: type) -> dict[str, Any]:
    """The fields of a settings object, of which those that are parts are described by tables of their own."""
    hints = get_type_hints(kind)
    parts = {key for key, hint in hints.items() if any(map(_is_part, (hint, *get_args(hint))))}
    return {key: converted(value, hints[key]) if key in parts else value for key, value in table.items()}


def _is_part(hint: Any) -> bool:
    """Whether an argument is a part of a method, which a rule describes (see `retort.plan.part_params`)."""
    return isinstance(hint, type) and issubclass(hint, Part)


def _only(value: Any) -> Any:
    """A single path, where Snakemake gives a list of one."""
    if not _is_list(value):
        return value
    if len(value) != 1:
        raise Misfit(f"one value is taken, and there are {len(value)}")
    return value[0]


def _is_list(value: Any) -> bool:
    return isinstance(value, list | tuple)
