"""The config as it is given to Snakemake: as files, or by a workflow that uses this one as a module."""

from collections.abc import Iterable, Mapping
from pathlib import Path

from retort.base.errors import RetortError
from retort.config.strict_yaml import read_table

DEFAULT = "config.yaml"


def read_given(files: Iterable[str | Path]) -> None:
    """Read some config files strictly: Snakemake takes the last of keys that are given twice, and names no line.

    Raises RetortError for the first that is not there, is no YAML or no table, or gives a key twice.
    """
    for file in files:
        if not Path(file).is_file():
            raise RetortError(_missing(str(file)))
        read_table(file)


def _missing(file: str) -> str:
    if file == DEFAULT:
        return (
            "there is no config.yaml here; start snakemake in the folder of the Snakefile, or name a config: "
            "snakemake --cores 2 all --configfile my-config.yaml"
        )
    return (
        f"there is no config file {file} here; name targets before --configfile, which takes every word that follows "
        "it for a file: snakemake --cores 2 d3hr --configfile my-config.yaml"
    )


def refuse_no_config(config: Mapping) -> None:
    """Raises RetortError where a workflow uses this one as a module and gives it no config."""
    if not config:
        raise RetortError(
            "a workflow that uses Retort as a module must give it a config, whole or as the file that holds it: "
            'config: {"extends": "my-config.yaml"}'
        )
