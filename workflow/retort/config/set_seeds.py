"""Several sets of one method in one row: where a run asks for them, each becomes a method with a seed of its own.

A run with `set_seeds: 3` of the method `dit` runs `dit`, `dit-set1` and `dit-set2`. The method itself is set 0, and
nothing of it changes.
"""

from collections.abc import Iterator
from typing import NamedTuple

from retort.config.schema import Config


class OtherSet(NamedTuple):
    """A set of a method by another seed than 0."""

    method: str
    set_seed: int

    @property
    def name(self) -> str:
        """Of the method that makes it."""
        return f"{self.method}-set{self.set_seed}"


def other_sets(config: Config) -> list[OtherSet]:
    """Those that the runs ask for, in the order of the methods; also of a config that has them already."""
    most = {name: 1 for name, method in config.methods.items() if method.draws() and not method.seed}
    for run in config.runs:
        for name in most.keys() & set(run.methods):
            most[name] = max(most[name], run.set_seeds)
    return [OtherSet(name, seed) for name, count in most.items() for seed in range(1, count)]


def mistakes_of_set_seeds(config: Config) -> Iterator[str]:
    """One line for each name that a set would take from a method, and for each method whose seed is given already."""
    for one in other_sets(config):
        if one.name in config.methods:
            yield f"methods.{one.name}: set {one.set_seed} of {one.method} (set_seeds) has this name; choose another"
    for i, run in enumerate(config.runs):
        seeded = [name for name in run.methods if name in config.methods and config.methods[name].seed]
        if run.set_seeds > 1 and seeded:
            yield (
                f"runs[{i}].set_seeds: {seeded[0]!r} has a seed of its own, so it is one set; leave its seed out, or "
                "give it a run of its own"
            )


def with_other_sets(config: Config) -> Config:
    """The config with a method for each of these sets, behind the method that makes it, in every run that wants it."""
    of: dict[str, list[OtherSet]] = {}
    for one in other_sets(config):
        of.setdefault(one.method, []).append(one)
    if not of:
        return config
    methods = {}
    for name, method in config.methods.items():
        methods[name] = method
        methods |= {one.name: method.model_copy(update={"seed": one.set_seed}) for one in of.get(name, [])}
    runs = [
        run.model_copy(
            update={
                "methods": [
                    member
                    for name in run.methods
                    for member in [name, *(one.name for one in of.get(name, []) if one.set_seed < run.set_seeds)]
                ]
            }
        )
        for run in config.runs
    ]
    return config.model_copy(update={"methods": methods, "runs": runs})
