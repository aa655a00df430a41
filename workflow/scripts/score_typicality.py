"""Rule score_typicality."""

from retort.models.load import CodecFiles, ModelFiles
from retort.stages.job import job
from retort.stages.typicality import score_shard

with job(snakemake):
    score_shard(
        snakemake.input.latents,
        snakemake.input.classes,
        snakemake.output.maps,
        model=ModelFiles(snakemake.input.model, **snakemake.params.model),
        codec=CodecFiles(snakemake.input.encoder, **snakemake.params.codec),
        classes=snakemake.params.classes,
        **snakemake.params.typicality,
        dataset=snakemake.params.dataset,
        seed=snakemake.params.seed,
        batch=snakemake.resources.batch,
    )
