"""Rule compose_mosaics."""

from retort.running.job import job
from retort.stages.compose import compose_mosaics

with job(snakemake):
    compose_mosaics(
        snakemake.input.patches,
        snakemake.input.manifest,
        snakemake.input.classes,
        snakemake.output.images,
        classes=snakemake.params.classes,
        ipc=int(snakemake.wildcards.ipc),
        **snakemake.params.composition,
        side=snakemake.params.side,
        threads=snakemake.threads,
    )
