"""Mistakes of type, range and spelling, told in words that a user of the config would use."""

import re
from collections.abc import Iterator
from typing import Any, get_args

from pydantic import BaseModel, ValidationError

from retort.base.grammar import Strict
from retort.base.hints import did_you_mean, nearest
from retort.config.schema import Config


def filled(raw: Any) -> Any:
    """`raw` with an empty table where yaml reads nothing after `teachers:`, or after a `train:` without settings."""
    if not isinstance(raw, dict):
        return raw
    for part in ("models", "teachers", "inversions", "discoveries", "typicalities", "dynamics", "sweeps"):
        if part in raw and raw[part] is None:
            raw[part] = {}
        things = raw.get(part, {})
        for thing in things.values() if isinstance(things, dict) else ():
            if isinstance(thing, dict) and "train" in thing and thing["train"] is None and "source" not in thing:
                thing["train"] = {}
    return raw


def typed(raw: Any) -> tuple[Config | None, list[str]]:
    """The config, if one can be read from `raw`, and the mistakes. Mends `raw` so that one mistake hides no other."""
    problems, known = [], set()
    while True:
        try:
            return Config.model_validate(raw), problems
        except ValidationError as error:
            errors = [e for outer in error.errors(include_url=False) for e in _told_by_part(outer)]
        # A table that was put together from a preset cannot be mended: it is a copy, and its mistake comes again.
        mendable = [e for e in errors if e["type"] in _MENDABLE and _described(e) not in known]
        shown = mendable or [e for e in errors if e["type"] not in _MENDABLE]
        problems += [_described(e) for e in shown if e["type"] != "union_tag_not_found"]
        if not mendable:
            return None, problems
        known |= set(map(_described, mendable))
        for e in mendable:
            _mend(e["type"], e["input"], e.get("ctx", {}))


def _told_by_part(error: dict) -> list[dict]:
    """The mistakes in the keys of a part that lies outside Retort, which that part has found itself, in their place."""
    if error["type"] != "keys_of_part":
        return [error]
    return [inner | {"loc": (*error["loc"], *inner["loc"])} for inner in error["ctx"]["inner"]]


_MENDABLE = ("unknown_key", "union_tag_not_found")


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
        return f"{_place(path)}: required, but missing{_purpose(path, found)}"
    if what == "too_short":
        return f"{_place(path)}: must have at least one entry; found {found!r}"
    if what not in _MUST_BE:
        return f"{_place(path)}: {error['msg']}{_shown_beside(error['msg'], what, found)}"
    must = "must be " + _MUST_BE[what].format_map(context)
    hint = did_you_mean(found, re.findall("'([^']*)'", must)) if isinstance(found, str) else ""
    if what == "string_type" and isinstance(found, int | float):
        hint = " (put it in quotes)"
    if path and path[-1] == _KEY:
        return f"{_place(path[:-2])}: the name {found!r} {must}{hint}"
    return f"{_place(path)}: {must}; found {_shown(found)}{hint}"


def _purpose(path: list[str | int], table: Any) -> str:
    """What the key that a table lacks is for, by the schema's first sentence; nothing where several tables fit."""
    if not isinstance(table, dict):
        return f": the list must have more entries; found {_shown(table)}"
    meant, key = set(), path[-1]
    for model in [Config] if len(path) == 1 else _tables_of_the_config(Strict):
        if (model is Config and len(path) > 1) or getattr(model, "told_by", None) == key:
            continue  # a table without the key that tells a part is not of that part
        fields = {name: model.model_fields[attribute] for name, attribute in model.attributes().items()}
        kinds = get_args(fields["kind"].annotation) if "kind" in fields else ()
        if key in fields and fields[key].is_required() and set(table) <= set(fields):
            meant |= {fields[key].description} if not kinds or table.get("kind") in kinds else set()
    if len(meant) != 1:
        return ""
    first, _, _ = str(meant.pop() or "").partition(". ")
    return f": {first.rstrip('.')}" if first else ""


def _tables_of_the_config(base: type[Strict]) -> Iterator[type[Strict]]:
    for model in base.__subclasses__():
        yield model
        yield from _tables_of_the_config(model)


def _shown_beside(message: str, what: str, found: Any) -> str:
    """What was found, after a message that says what must be there: of a table, only what may not be plain to see."""
    if what == "part":
        return ""
    if isinstance(found, dict) and what == "word_or_table":
        return f"; found a table with {', '.join(map(str, found)) or 'nothing in it'}"
    if isinstance(found, dict):
        empty = [str(key) for key, value in found.items() if value is None]
        return f" ({', '.join(empty)}: nothing follows)" if empty else ""
    words = re.findall(r"[\w+-]+", re.sub(r"{.*?}|\(.*?\)", "", message)) if what == "word_or_table" else []
    hint = did_you_mean(found, words) if isinstance(found, str) else ""
    return f"; found {_shown(found)}{hint}"


def _shown(found: Any) -> str:
    if found is None:
        return "nothing"
    text = "a table" if isinstance(found, dict) else repr(found)
    return text if len(text) <= 80 else text[:77] + "..."


_KEY = "[key]"  # pydantic's last word on the place of a bad key


def _path(location: tuple) -> list[str | int]:
    """The location without what pydantic adds to it: the kind that a dataset, a model or a table was taken for."""
    after_name = {"dataset": 1, "models": 2}.get(location[0] if location else None)
    return [p for i, p in enumerate(location) if p == _KEY or not (i == after_name or (i > 1 and _is_tag(p)))]


def _is_tag(part: str | int) -> bool:
    """Whether it names the kind that a table was taken for, which no key does."""
    return isinstance(part, str) and part.startswith("<")


def _place(path: list[str | int] | tuple[str | int, ...]) -> str:
    return "".join(f"[{p}]" if isinstance(p, int) else f".{p}" for p in path).lstrip(".") or "(top level)"


def yaml_booleans(raw: Any, typed: Any, path: tuple = ()) -> Iterator[str]:
    """Yaml reads `yes` and `on` as true, which would count as 1 where a number is wanted."""
    if isinstance(raw, bool) and not isinstance(typed, bool):
        yield f"{_place(path)}: must be a number; found {raw}"
    elif isinstance(raw, dict):
        for key, value in raw.items():
            if key == "kind" and isinstance(typed, BaseModel) and key not in typed.attributes():
                continue  # of a part: the name of its class, and no key of it
            inner = getattr(typed, typed.attributes()[key]) if isinstance(typed, BaseModel) else typed[key]
            yield from yaml_booleans(value, inner, (*path, key))
    elif isinstance(raw, list):
        for i, value in enumerate(raw):
            yield from yaml_booleans(value, typed[i], (*path, i))


def empty_stages(raw: dict) -> Iterator[str]:
    """Yaml reads nothing after `refine:` as if the key were not there, which would leave a stage out unnoticed."""
    for name, method in raw["methods"].items():
        place = f"methods.{name}"
        parts = [(place, method, ("generate", "select", "refine", "compose", "images"))]
        if method.get("generate"):
            parts.append((f"{place}.generate", method["generate"], ("guide",)))
        for where, table, keys in parts:
            for key in keys:
                if key in table and table[key] is None:
                    yield f"{where}.{key}: nothing follows; give its settings ({{}}: defaults), or leave the key out"
