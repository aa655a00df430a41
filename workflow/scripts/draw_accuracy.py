"""Rule draw_accuracy."""

from retort.stages.draw_accuracy import draw_accuracy
from retort.stages.job import job

with job(snakemake):
    draw_accuracy(snakemake.input.table, snakemake.output.figure, full=snakemake.params.full)
