"""Rule tabulate_quality."""

from retort.running.job import job
from retort.stages.tabulate_quality import tabulate_quality

with job(snakemake):
    tabulate_quality(snakemake.input.measured, snakemake.output.csv)
