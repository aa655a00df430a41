"""Rule invert_latents."""

from pathlib import Path

from retort.running.job import job, purpose
from retort.stages.invert import invert_shard
from retort.stages.kept_classes import KeptClasses
from retort.stages.model_files import diffusion_files

with job(snakemake):
    invert_shard(
        snakemake.input.latents,
        snakemake.input.classes,
        snakemake.output.statistics,
        KeptClasses(Path(snakemake.params.checkpoint), purpose(snakemake)),
        **diffusion_files(snakemake),
        classes=snakemake.params.classes,
        **snakemake.params.inversion,
        batch=snakemake.resources.batch,
    )
