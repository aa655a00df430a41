"""Rule describe_images."""

from retort.stages.describe import describe_shard
from retort.stages.job import job

with job(snakemake):
    describe_shard(
        snakemake.input.manifest,
        snakemake.input.classes,
        snakemake.input.teacher,
        snakemake.output.features,
        classes=snakemake.params.classes,
        side=snakemake.params.side,
        threads=snakemake.threads,
    )
