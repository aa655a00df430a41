"""A job as Snakemake describes it to its script, for `retort.running.job` and `retort.running.call`."""

from pathlib import Path
from types import SimpleNamespace


class Named(list):
    """Paths in their order, by name too; some names may be absent."""

    def __init__(self, *unnamed, **named):
        super().__init__([*map(str, unnamed), *map(str, named.values())])
        self._named = {name: str(path) for name, path in named.items()}

    def items(self):
        return self._named.items()


class Table(SimpleNamespace):
    """Values by name."""

    def items(self):
        return vars(self).items()


def fake_job(log: str | Path, rule: str = "generate_images", **changes) -> SimpleNamespace:
    """One that reads and writes nothing, unless `changes` say so."""
    nothing = {"input": Named(), "output": Named(), "wildcards": {}, "params": Table(), "resources": {}}
    fixed = {"rule": rule, "threads": 1, "log": [str(log)], "config": {"deterministic": False}}
    return SimpleNamespace(**fixed | nothing | changes)
