"""A job as Snakemake describes it to its script, for `retort.running.job` and the scripts themselves."""

from pathlib import Path
from types import SimpleNamespace


class Named(list):
    """Paths in their order, by name too; some names may be absent."""

    def __init__(self, *unnamed, **named):
        super().__init__([*map(str, unnamed), *map(str, named.values())])
        self.__dict__.update({name: str(path) for name, path in named.items()})

    def get(self, name: str, default=None):
        return self.__dict__.get(name, default)


def fake_job(log: str | Path, rule: str = "generate_images", **changes) -> SimpleNamespace:
    """One that reads and writes nothing, unless `changes` say so."""
    nothing = {"input": Named(), "output": Named(), "wildcards": {}, "params": SimpleNamespace(), "resources": {}}
    fixed = {"rule": rule, "threads": 1, "log": [str(log)], "config": {"deterministic": False}}
    return SimpleNamespace(**fixed | nothing | changes)
