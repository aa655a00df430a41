"""Rule cluster_classes."""

from retort.running.job import job
from retort.stages.discover import cluster_shard

with job(snakemake):
    cluster_shard(
        snakemake.input.embedding,
        snakemake.output.clusters,
        snakemake.output.listing,
        classes=snakemake.params.classes,
        **snakemake.params.hdbscan,
    )
