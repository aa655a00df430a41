"""Rule export_digits."""

from retort.stages.job import job
from retort.stages.prepare import export_digits

with job(snakemake):
    export_digits(snakemake.output.images, snakemake.params.classes, snakemake.params.side)
