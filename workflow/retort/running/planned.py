"""A workflow as Snakemake plans it for a command, without running anything."""

from collections.abc import Sequence

from snakemake.api import SnakemakeApi
from snakemake.cli import parse_args, parse_config
from snakemake.settings.types import ConfigSettings, DAGSettings, ResourceSettings
from snakemake.workflow import Workflow

from retort.config.given import read_given


def loaded(api: SnakemakeApi, arguments: Sequence[str]):
    """The workflow of Snakemake's API and the options that these arguments of a `snakemake` command ask for.

    Raises whatever Snakemake raises for a bad config, and RetortError naming file, line and column of a file that is
    no YAML.
    """
    _, given = parse_args(list(arguments))
    read_given(given.configfile or [])
    flow = api.workflow(
        resource_settings=ResourceSettings(cores=1),
        config_settings=ConfigSettings(config=parse_config(given.config), configfiles=given.configfile),
        snakefile=given.snakefile,
        workdir=given.directory,
    )
    return flow, given


def with_jobs(flow, settings: DAGSettings, forceall: bool = False) -> Workflow:
    """The workflow with the jobs of the targets that the settings name; `forceall` plans them all anew.

    As Snakemake's own --summary does, which does not tell the logs of jobs that have not finished.
    """
    flow.dag(dag_settings=settings)
    workflow = flow._workflow
    workflow._prepare_dag(forceall=forceall, ignore_incomplete=forceall, lock_warn_only=True)
    workflow._build_dag()
    return workflow
