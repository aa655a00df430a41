"""Rule describe_images."""

from retort.running.job import job
from retort.stages.describe import describe_shard

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
