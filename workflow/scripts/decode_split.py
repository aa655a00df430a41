"""Rule decode_split."""

from retort.stages.decode import decode_split
from retort.stages.job import job

with job(snakemake):
    decode_split(
        snakemake.input.manifest,
        snakemake.output.pixels,
        split=snakemake.wildcards.split,
        side=snakemake.params.side,
        keep=snakemake.params.keep,
        threads=snakemake.threads,
    )
