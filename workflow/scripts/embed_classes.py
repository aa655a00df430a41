"""Rule embed_classes."""

from retort.running.job import job
from retort.stages.embed import embed_shard

with job(snakemake):
    embed_shard(
        snakemake.input.latents,
        snakemake.output.embedding,
        classes=snakemake.params.classes,
        **snakemake.params.umap,
        dataset=snakemake.params.dataset,
        seed=snakemake.params.seed,
    )
