"""What is asked for on the command line and nothing makes: answered by name, with what was meant."""

from collections.abc import Sequence

from retort.base.errors import some_of
from retort.base.hints import did_you_mean


def no_such_target(target: str, names: Sequence[str], files: Sequence[str]) -> str:
    """One line for a target that is neither one of `names` (rules, methods) nor a file that a rule makes.

    files: those that are made in every run, to find what a misspelt path meant.
    """
    if target.endswith((".yaml", ".yml")):
        command = f"snakemake --cores 2 all --configfile {target}"
        return f"{target}: a config is given by --configfile, after the targets: {command}"
    if "/" in target:
        meant = did_you_mean(target, files) or "; results/README.md says what the files are called"
        return f"{target}: nothing in this config makes this file{meant}"
    return f"{target}: no target has this name{did_you_mean(target, names)} (targets: {some_of(names, 40)})"
