"""Rule draw_accuracy."""

from retort.running.job import job
from retort.stages.draw_accuracy import draw_accuracy

with job(snakemake):
    draw_accuracy(snakemake.input.table, snakemake.output.figure, full=snakemake.params.full)
