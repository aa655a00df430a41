"""Rule tabulate_costs."""

from retort.stages.costs import tabulate_costs
from retort.stages.job import job

with job(snakemake):
    tabulate_costs(
        snakemake.params.jobs,
        snakemake.input.manifest,
        snakemake.input.classes,
        snakemake.output.csv,
        snakemake.output.jobs,
        shards=snakemake.params.shards,
        full=snakemake.params.full,
    )
