"""From a plain mapping to a checked config, or one error that names every mistake in it."""

import re
from collections.abc import Iterator
from copy import deepcopy
from typing import Any

from pydantic import BaseModel, ValidationError

from retort.config.architectures import ARCHITECTURES
from retort.config.hints import did_you_mean, nearest
from retort.config.schema import TABLE_TAG, Config, Generate
from retort.errors import RetortError

# `snakemake NAME` runs a method, so a method may not be called like one of these targets.
RESERVED_TARGETS = ("all", "tables", "figures", "report")


def load_config(raw: dict[str, Any], reserved: tuple[str, ...] = RESERVED_TARGETS) -> Config:
    """The typed config for the mapping `raw`.

    Raises RetortError listing each mistake with its place, what was found and what is allowed: types, ranges,
    unknown keys first; then names that point nowhere or at the wrong kind of thing.
    """
    raw = _filled(deepcopy(raw))
    config, problems = _typed(raw)
    if config is not None:
        problems += [*_booleans(raw, config), *_dangling(config, reserved)]
    if problems:
        raise RetortError(_report(problems))
    return config


def _report(problems: list[str]) -> str:
    head = "the config has a mistake:" if len(problems) == 1 else f"the config has {len(problems)} mistakes:"
    return "\n  - ".join([head, *problems])


# ---------------------------------------------------------------- types, ranges, keys


def _filled(raw: Any) -> Any:
    """`raw` with an empty table where yaml reads nothing after `teachers:`, or after a `train:` without settings."""
    if not isinstance(raw, dict):
        return raw
    for part in ("models", "teachers", "inversions"):
        if part in raw and raw[part] is None:
            raw[part] = {}
        things = raw.get(part, {})
        for thing in things.values() if isinstance(things, dict) else ():
            if isinstance(thing, dict) and "train" in thing and thing["train"] is None and "source" not in thing:
                thing["train"] = {}
    return raw


def _typed(raw: Any) -> tuple[Config | None, list[str]]:
    """The config, if one can be read from `raw`, and the mistakes. Mends `raw` so that one mistake hides no other."""
    problems: list[str] = []
    while True:
        try:
            return Config.model_validate(raw), problems
        except ValidationError as error:
            errors = error.errors(include_url=False)
        mendable = [e for e in errors if e["type"] in ("unknown_key", "union_tag_not_found")]
        problems += [_described(e) for e in (mendable or errors) if e["type"] != "union_tag_not_found"]
        if not mendable:
            return None, problems
        for e in mendable:
            _mend(e["type"], e["input"], e.get("ctx", {}))


def _mend(mistake: str, table: dict, context: dict) -> None:
    """Read a misspelt key as the one it was meant to be, drop any other unknown one, ask for a missing kind."""
    if mistake == "union_tag_not_found":
        table["kind"] = None
        return
    for key in [key for key in table if str(key) in context["keys"]]:
        value, meant = table.pop(key), nearest(key, context["allowed"])
        if meant:
            table.setdefault(meant, value)


_MUST_BE = {
    "greater_than": "more than {gt:g}",
    "greater_than_equal": "at least {ge:g}",
    "less_than": "less than {lt:g}",
    "less_than_equal": "at most {le:g}",
    "finite_number": "a finite number",
    "literal_error": "{expected}",
    "union_tag_invalid": "{expected_tags}",
    "string_pattern_mismatch": "made of letters, digits, - and _, and start with a letter or digit",
    "string_too_long": "at most {max_length} characters long",
} | {
    f"{kind}_{how}": wanted
    for kind, wanted in {
        "int": "a whole number",
        "float": "a number",
        "bool": "true or false",
        "string": "text",
        "list": "a list",
        "tuple": "a list",
        "dict": "a table",
        "model": "a table",
        "model_attributes": "a table",
    }.items()
    for how in ("type", "parsing", "from_float")
}


def _described(error: dict) -> str:
    """One line: the place as the user wrote it, what must be there, and what was found."""
    what, found, context = error["type"], error["input"], error.get("ctx", {})
    path = _path(error["loc"])
    if what == "union_tag_invalid":
        path, found = [*path, "kind"], found["kind"]
        context = {"expected_tags": context["expected_tags"].replace(", ", " or ")}
    if what == "missing":
        return f"{_place(path)}: required, but missing"
    if what == "too_short":
        return f"{_place(path)}: must not be empty"
    if what not in _MUST_BE:
        empty = [key for key, value in found.items() if value is None] if isinstance(found, dict) else []
        note = f" ({', '.join(empty)}: nothing follows)" if empty else ""
        shown = "" if isinstance(found, dict) else f"; found {_shown(found)}"
        return f"{_place(path)}: {error['msg']}{note}{shown}"
    must = "must be " + _MUST_BE[what].format_map(context)
    hint = did_you_mean(found, re.findall("'([^']*)'", must)) if isinstance(found, str) else ""
    if what == "string_type" and isinstance(found, int | float):
        hint = " (put it in quotes)"
    if path and path[-1] == _KEY:
        return f"{_place(path[:-2])}: the name {found!r} {must}{hint}"
    return f"{_place(path)}: {must}; found {_shown(found)}{hint}"


def _shown(found: Any) -> str:
    if found is None:
        return "nothing"
    text = "a table" if isinstance(found, dict) else repr(found)
    return text if len(text) <= 80 else text[:77] + "..."


_KEY = "[key]"  # pydantic's last word on the place of a bad key


def _path(location: tuple) -> list[str | int]:
    """The location without what pydantic adds to it: the kind that a dataset, a model or a table was taken for."""
    after_name = {"dataset": 1, "models": 2}.get(location[0] if location else None)
    return [p for i, p in enumerate(location) if p != TABLE_TAG and (i != after_name or p == _KEY)]


def _place(path: list[str | int] | tuple[str | int, ...]) -> str:
    return "".join(f"[{p}]" if isinstance(p, int) else f".{p}" for p in path).lstrip(".") or "(top level)"


def _booleans(raw: Any, typed: Any, path: tuple = ()) -> Iterator[str]:
    """Yaml reads `yes` and `on` as true, which would count as 1 where a number is wanted."""
    if isinstance(raw, bool) and not isinstance(typed, bool):
        yield f"{_place(path)}: must be a number; found {raw}"
    elif isinstance(raw, dict):
        for key, value in raw.items():
            inner = getattr(typed, key) if isinstance(typed, BaseModel) else typed[key]
            yield from _booleans(value, inner, (*path, key))
    elif isinstance(raw, list):
        for i, value in enumerate(raw):
            yield from _booleans(value, typed[i], (*path, i))


# ---------------------------------------------------------------- names


def _dangling(config: Config, reserved: tuple[str, ...]) -> Iterator[str]:
    def check(place: str, name: str, allowed, what: str) -> Iterator[str]:
        if name not in allowed:
            known = ", ".join(allowed) or "none is defined"
            yield f"{place}: no {what} is called {name!r}{did_you_mean(name, allowed)} (allowed: {known})"

    vaes = {n for n, m in config.models.items() if m.kind == "vae"}
    backbones = {n for n, m in config.models.items() if m.kind != "vae"}
    for name, model in config.models.items():
        if model.kind != "vae":
            yield from check(f"models.{name}.encoder", model.encoder, sorted(vaes), "vae model")
    for name, teacher in config.teachers.items():
        yield from check(f"teachers.{name}.arch", teacher.arch, ARCHITECTURES, "architecture")
    for name, inversion in config.inversions.items():
        yield from check(f"inversions.{name}.model", inversion.model, sorted(backbones), "diffusion model")
    for name, method in config.methods.items():
        if name in reserved:
            yield f"methods.{name}: this name is taken by a target; reserved are {', '.join(reserved)}"
        if method.generate:
            yield from check(
                f"methods.{name}.generate.model", method.generate.model, sorted(backbones), "diffusion model"
            )
            yield from _bad_start(name, method.generate, config, backbones, check)
    for name, protocol in config.protocols.items():
        if protocol.labels != "hard":
            place = f"protocols.{name}.labels.teacher"
            yield from check(place, protocol.labels.teacher, list(config.teachers), "teacher")
    for i, run in enumerate(config.runs):
        for names, key, allowed, what in (
            (run.methods, "methods", config.methods, "method"),
            (run.protocols, "protocols", config.protocols, "protocol"),
            (run.students, "students", ARCHITECTURES, "architecture"),
        ):
            for name in names:
                yield from check(f"runs[{i}].{key}", name, allowed, what)


def _bad_start(name: str, generate: Generate, config: Config, backbones: set[str], check) -> Iterator[str]:
    if generate.start == "noise":
        return
    place = f"methods.{name}.generate"
    yield from check(f"{place}.start.inversion", generate.start.inversion, list(config.inversions), "inversion")
    inversion = config.inversions.get(generate.start.inversion)
    if inversion is None:
        return
    if inversion.model != generate.model and backbones >= {inversion.model, generate.model}:
        yield (
            f"{place}: starts from {generate.start.inversion!r}, an inversion by model {inversion.model!r}, but "
            f"samples with {generate.model!r}; latents of one model mean nothing to another, so name the same model"
        )
    if generate.steps not in (None, inversion.steps):
        yield (
            f"{place}.steps: found {generate.steps}, but the inversion {generate.start.inversion!r} fixes the grid at "
            f"{inversion.steps} steps; leave steps out"
        )
    if generate.start.first_step == "reference" and inversion.stop + 1 == inversion.steps:
        yield (
            f"{place}.start.first_step: 'reference' begins one step after stop, but the inversion "
            f"{generate.start.inversion!r} stops at {inversion.stop}, the last of {inversion.steps}; lower its stop, "
            "or give first_step: matched"
        )
