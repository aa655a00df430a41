"""Rule cluster_classes."""

from retort.stages.discover import cluster_shard
from retort.stages.job import job

with job(snakemake):
    cluster_shard(
        snakemake.input.embedding,
        snakemake.output.clusters,
        snakemake.output.listing,
        classes=snakemake.params.classes,
        **snakemake.params.hdbscan,
    )
