"""Rule invert_latents."""

from retort.models.load import CodecFiles, ModelFiles
from retort.stages.invert import invert_shard
from retort.stages.job import job

with job(snakemake):
    invert_shard(
        snakemake.input.latents,
        snakemake.input.classes,
        snakemake.output.statistics,
        model=ModelFiles(snakemake.input.model, **snakemake.params.model),
        codec=CodecFiles(snakemake.input.encoder, **snakemake.params.codec),
        classes=snakemake.params.classes,
        **snakemake.params.inversion,
        batch=snakemake.resources.batch,
    )
