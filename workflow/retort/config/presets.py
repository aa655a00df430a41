"""The papers' protocols by name, and the fast twin of each."""

from functools import cache
from pathlib import Path

import yaml

FAST = "-fast"


@cache
def papers() -> dict[str, dict]:
    """The protocols of presets.yaml, as a config would have them, but for the teachers."""
    return yaml.safe_load(Path(__file__).with_name("presets.yaml").read_text())


@cache
def presets() -> dict[str, dict]:
    """These and, with `FAST` behind its name, each of them in mixed precision."""
    return papers() | {f"{name}{FAST}": preset | {"precision": "bfloat16"} for name, preset in papers().items()}


def known_presets() -> str:
    """All names, as a sentence has them."""
    return f"{', '.join(papers())}; each with {FAST} behind its name is the same in bfloat16"
