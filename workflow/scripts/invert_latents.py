"""Rule invert_latents."""

from retort.stages.invert import invert_shard
from retort.stages.job import job
from retort.stages.model_files import diffusion_files

with job(snakemake):
    invert_shard(
        snakemake.input.latents,
        snakemake.input.classes,
        snakemake.output.statistics,
        **diffusion_files(snakemake),
        classes=snakemake.params.classes,
        **snakemake.params.inversion,
        batch=snakemake.resources.batch,
    )
