"""Rule draw_gallery."""

from retort.running.job import job
from retort.stages.draw_sheets import draw_gallery

with job(snakemake):
    draw_gallery(
        snakemake.input.sets,
        snakemake.params.names,
        snakemake.input.manifest,
        snakemake.input.classes,
        snakemake.output.figure,
        classes=snakemake.params.classes,
        side=snakemake.params.side,
    )
