"""Rule decode_split."""

from retort.data.images import Fit
from retort.running.job import job
from retort.stages.decode import decode_split

with job(snakemake):
    decode_split(
        snakemake.input.manifest,
        snakemake.output.pixels,
        split=snakemake.wildcards.split,
        side=snakemake.params.side,
        fit=Fit(**snakemake.params.fit),
        threads=snakemake.threads,
    )
