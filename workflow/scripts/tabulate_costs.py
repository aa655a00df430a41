"""Rule tabulate_costs."""

from retort.stages.job import job
from retort.stages.tabulate import tabulate_costs

with job(snakemake):
    tabulate_costs(dict(snakemake.input.items()), snakemake.output.csv)
