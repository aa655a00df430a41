"""Sweeps become methods before the config is checked, so that a member is a method like any other.

A sweep `guidance` of three values of `generate.guidance` makes the methods `guidance-1`, `guidance-2` and `guidance-4`.
Wherever a run names the sweep, it runs all of them.
"""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from copy import deepcopy
from typing import Any, NamedTuple

from retort.base.hints import did_you_mean

KEYS = ("method", "key", "values")
NAMED = "give the values names in a table, such as {low: 1, high: 4}"
LABEL = re.compile(r"[A-Za-z0-9_-]+")


class Member(NamedTuple):
    """A method that a sweep makes: its name, the value of the key, and that value as the user reads it."""

    name: str
    value: Any
    shown: str


def members(sweep: str, values: Sequence[Any] | Mapping[str, Any]) -> list[Member]:
    """The methods of a sweep, by its name and its values; a value that is a table or a list needs a name."""
    if isinstance(values, Mapping):
        return [Member(f"{sweep}-{label}", value, str(label)) for label, value in values.items()]
    return [Member(f"{sweep}-{_label(value)}", value, _shown(value)) for value in values]


def _shown(value: Any) -> str:
    """A value as YAML has it, but 2.0 as 2: the key that takes it says what kind of number it is."""
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    return json.dumps(value) if value is None or isinstance(value, bool) else str(value)


def _label(value: Any) -> str:
    """A value in a name, which has no point: 1.5 is 1_5."""
    return _shown(value).replace(".", "_")


def _is_plain(value: Any) -> bool:
    return value is None or isinstance(value, bool | int | float | str)


def with_members(raw: Any, reserved: Sequence[str]) -> tuple[Any, list[str]]:
    """The config as plain tables with the members of its sweeps among its methods and runs; and what is wrong.

    The members stand behind the method that they vary. `reserved` are names that no target may have. What cannot be
    read as a sweep is left to the schema.
    """
    if not (named := _named(raw)):
        return raw, []
    sweeps, methods, problems, made = _well_formed(raw), raw["methods"], [], {}
    for name, sweep in sweeps.items():
        found = list(_mistakes(name, sweep, methods, made, reserved))
        problems += found
        if not found:
            made[name] = {
                member.name: _changed(methods[sweep["method"]], sweep["key"].split("."), member.value)
                for member in members(name, sweep["values"])
            }
    of = {method: [n for n in made if sweeps[n]["method"] == method] for method in methods}
    swept = {
        name: table
        for method, entry in methods.items()
        for name, table in [(method, entry), *(item for n in of[method] for item in made[n].items())]
    }
    asked = {name: list(made[name]) if name in made else [_base(sweep, methods)] for name, sweep in named}
    return raw | {"methods": swept, "runs": _runs(raw.get("runs"), asked)}, problems


def _named(raw: Any) -> list[tuple[str, Any]]:
    """All sweeps of a config whose methods can be read, also those that cannot be read themselves."""
    sweeps = raw.get("sweeps") if isinstance(raw, dict) and isinstance(raw.get("methods"), dict) else None
    return [(str(name), sweep) for name, sweep in sweeps.items()] if isinstance(sweeps, dict) else []


def _base(sweep: Any, methods: dict) -> str:
    """What stands in runs for a sweep with a mistake, so that no run is blamed: the method that it names, or any."""
    named = sweep.get("method") if isinstance(sweep, dict) else None
    return named if isinstance(named, str) and named in methods else next(iter(methods), "")


def _well_formed(raw: Any) -> dict[str, dict]:
    """The sweeps that can be read."""
    return {
        name: sweep
        for name, sweep in _named(raw)
        if isinstance(sweep, dict)
        and set(sweep) == set(KEYS)
        and all(isinstance(sweep[key], str) and sweep[key] for key in ("method", "key"))
        and isinstance(sweep["values"], list | dict)
        and sweep["values"]
    }


def _mistakes(name: str, sweep: dict, methods: dict, made: dict[str, dict], reserved: Sequence[str]) -> Iterator[str]:
    place, base, values = f"sweeps.{name}", sweep["method"], sweep["values"]
    if name in methods:
        yield f"{place}: a method has this name as well; call the sweep otherwise, such as {name}-sweep"
    if name in reserved:
        yield f"{place}: this name is taken by a target; choose another than {', '.join(reserved)}"
    if base not in methods or not isinstance(methods[base], dict):
        known = ", ".join(methods)
        yield f"{place}.method: there is no method {base!r}{did_you_mean(base, methods)} (defined: {known})"
        return
    table = methods[base]
    *above, _ = keys = sweep["key"].split(".")
    for depth, key in enumerate(above):
        where = ".".join(["methods", base, *above[:depth]])
        if key not in table:
            yield f"{place}.key: {where} has no table {key!r}{did_you_mean(key, table)} (it has {', '.join(table)})"
            return
        if not isinstance(table := table[key], dict):
            yield f"{place}.key: {where}.{key} is {table!r} and no table, so it has no key {keys[depth + 1]!r}"
            return
    if isinstance(values, list):
        bad = [value for value in values if not (_is_plain(value) and LABEL.fullmatch(_label(value)))]
        if bad:
            yield f"{place}.values: {bad[0]!r} cannot be a part of a name; {NAMED}"
            return
    names = [member.name for member in members(name, values)]
    for twice in dict.fromkeys(n for n in names if names.count(n) > 1):
        yield f"{place}.values: two values make a method {twice!r}; leave one out, or {NAMED}"
    others = {**dict.fromkeys(methods, "methods"), **{n: f"sweeps.{s}" for s, of in made.items() for n in of}}
    for taken in (n for n in names if n in others):
        yield f"{place}: its member {taken!r} is called like one of {others[taken]}; call the sweep otherwise"


def _changed(method: dict, keys: Sequence[str], value: Any) -> dict:
    """A copy of a method with another value of one key, or without the key where the value is null."""
    changed = deepcopy(method)
    *above, last = keys
    table = changed
    for key in above:
        table = table[key]
    if value is None:
        table.pop(last, None)
    else:
        table[last] = deepcopy(value)
    return changed


def _runs(runs: Any, asked: Mapping[str, Sequence[str]]) -> Any:
    """Runs with the members of a sweep in its place, each method once.

    A run with a method that is no text is left as it is, so that the schema names the very place of the mistake.
    """
    if not isinstance(runs, list):
        return runs
    return [
        run | {"methods": list(dict.fromkeys(m for method in run["methods"] for m in asked.get(method, [method])))}
        if isinstance(run, dict) and _are_names(run.get("methods"))
        else run
        for run in runs
    ]


def _are_names(methods: Any) -> bool:
    return isinstance(methods, list) and all(isinstance(method, str) for method in methods)


def said_of_sweeps(problems: Sequence[str], raw: Any) -> list[str]:
    """Mistakes of members in the words of their sweep, and said once where all members have them.

    A mistake that the varied method has itself is said of that alone.
    """
    sweeps = _well_formed(raw)
    of = {m.name: (name, m.shown) for name, sweep in sweeps.items() for m in members(name, sweep["values"])}
    found: dict[tuple[str, str], list[str]] = {}
    said: list[tuple[str, str] | str] = []
    for problem in problems:
        place = re.match(r"methods\.([A-Za-z0-9_-]+)[.:]\s*", problem)
        if not place or place[1] not in of:
            said.append(problem)
            continue
        sweep, shown = of[place[1]]
        rest = problem[place.end() :]
        if any(problem.replace(place[1], sweeps[sweep]["method"], 1) == other for other in problems):
            continue
        if (sweep, rest) not in found:
            said.append((sweep, rest))
        found.setdefault((sweep, rest), []).append(shown)
    return [entry if isinstance(entry, str) else _of_sweep(*entry, found[entry], sweeps) for entry in said]


def _of_sweep(sweep: str, rest: str, shown: Sequence[str], sweeps: Mapping[str, dict]) -> str:
    if len(shown) == len(sweeps[sweep]["values"]) > 1:
        return f"sweeps.{sweep}: with each of its values, {rest}"
    return f"sweeps.{sweep}.values: with {', '.join(shown)}, {rest}"
