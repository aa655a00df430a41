"""Rule draw_classes."""

from retort.running.job import job
from retort.stages.draw_sheets import draw_classes

with job(snakemake):
    draw_classes(
        snakemake.input.sets,
        snakemake.params.names,
        snakemake.input.manifest,
        snakemake.input.classes,
        snakemake.output.figures,
        classes=snakemake.params.classes,
        side=snakemake.params.side,
    )
