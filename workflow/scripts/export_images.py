"""Rule export_images."""

from retort.running.job import job
from retort.stages.prepare import export_images

with job(snakemake):
    export_images(snakemake.output.images, snakemake.params.layout, snakemake.params.classes)
