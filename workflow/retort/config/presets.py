"""The papers' protocols by name, those of equal compute, and the fast twin of each."""

from functools import cache, reduce
from pathlib import Path
from typing import Any

import yaml

FAST = "-fast"


ASSUMED = "assumed"


@cache
def _written() -> dict[str, dict]:
    return yaml.safe_load(Path(__file__).with_name("presets.yaml").read_text())


@cache
def papers() -> dict[str, dict]:
    """The protocols of presets.yaml, as a config would have them, but for the teachers."""
    return {name: {k: v for k, v in preset.items() if k != ASSUMED} for name, preset in _written().items()}


def assumed(name: str | None, protocol: dict) -> list[str]:
    """The constants of a protocol, as dotted keys, that are assumed in its preset `name` and were not changed."""
    paper = (name or "").removesuffix(FAST)
    keys = _written().get(paper, {}).get(ASSUMED, [])
    return [key for key in keys if _at(protocol, key) == _at(papers()[paper], key)]


def _at(table: dict, key: str) -> Any:
    return reduce(lambda inner, part: inner.get(part) if inner else None, key.split("."), table)


@cache
def presets() -> dict[str, dict]:
    """These and, with `FAST` behind its name, each of them in mixed precision."""
    return papers() | {f"{name}{FAST}": preset | {"precision": "bfloat16"} for name, preset in papers().items()}


def known_presets() -> str:
    """All names, as a sentence has them."""
    return f"{', '.join(papers())}; each with {FAST} behind its name is the same in bfloat16"
