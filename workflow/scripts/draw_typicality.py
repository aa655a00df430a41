"""Rule draw_typicality."""

from retort.running.job import job
from retort.stages.draw_typicality import draw_typicality

with job(snakemake):
    draw_typicality(
        snakemake.input.maps,
        snakemake.input.patches,
        snakemake.input.manifest,
        snakemake.input.classes,
        snakemake.output.figure,
        classes=snakemake.params.classes,
        first=snakemake.params.first,
    )
