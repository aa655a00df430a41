"""Rule draw_discovery."""

from retort.running.job import job
from retort.stages.draw_discovery import draw_discovery

with job(snakemake):
    draw_discovery(
        snakemake.input.clusters,
        snakemake.input.representatives,
        snakemake.input.classes,
        snakemake.output.figure,
        classes=snakemake.params.classes,
    )
