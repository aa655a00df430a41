"""Rule select_images."""

from retort.running.job import job
from retort.stages.select_images import select_images

with job(snakemake):
    select_images(
        snakemake.input.manifest,
        snakemake.input.classes,
        snakemake.output.selection,
        select=snakemake.params.select,
        ipc=snakemake.wildcards.ipc,
        dataset=snakemake.params.dataset,
        seed=snakemake.params.seed,
    )
