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
        value = _at(made_of, part["setting"])
        fits = value == part["is"] if "is" in part else value is not None
        if fits and ("with" not in part or _at(made_of, part["with"]) is not None):
            found.setdefault(part["paper"], {})[part["what"]] = True
    return [{"code": None} | known["papers"][name] | {"what": " and ".join(what)} for name, what in found.items()]


def _at(settings: Any, place: str) -> Any:
    """The value at a dotted place; None where there is none."""
    for key in place.split("."):
        settings = settings.get(key) if isinstance(settings, dict) else None
    return settings
