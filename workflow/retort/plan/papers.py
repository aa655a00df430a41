"""The papers that stand behind a method's parts, from papers.yaml."""

from functools import cache
from pathlib import Path
from typing import Any

import yaml


@cache
def known_papers() -> dict[str, Any]:
    """`papers` by name, and `parts`: which setting of a method comes from which of them."""
    return yaml.safe_load(Path(__file__).with_name("papers.yaml").read_text())


def papers_behind(settings: dict, model: dict | None, discovery: dict | None = None) -> list[dict]:
    """Papers of a method's parts, each once: title, by, link, code (None where none is published) and `what` is theirs.

    settings: the method's part of the config as plain tables; model: that of the model that it samples from; discovery:
    that of its first discovery. What no entry of papers.yaml knows has no paper here, and is no error.
    """
    known, found = known_papers(), {}
    made_of = settings | {"model": model, "discovery": discovery}
    for part in known["parts"]:
        values = _at(made_of, part["setting"])
        fits = part["is"] in values if "is" in part else values
        if fits and ("with" not in part or _at(made_of, part["with"])):
            found.setdefault(part["paper"], {})[part["what"]] = True
    return [{"code": None} | known["papers"][name] | {"what": " and ".join(what)} for name, what in found.items()]


def _at(settings: Any, place: str) -> list[Any]:
    """The values at a dotted place, of which there are several behind a list; none where there is nothing. A part that
    is given as a word is a table of that kind."""
    found = [settings]
    for key in place.split("."):
        found = [{"kind": part} if key == "kind" and isinstance(part, str) else part for part in found]
        inner = (table[key] for table in found if isinstance(table, dict) and table.get(key) is not None)
        found = [value for held in inner for value in (held if isinstance(held, list) else [held])]
    return found
