"""Rule tabulate_costs."""

from retort.running.job import job
from retort.stages.costs import tabulate_costs

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
