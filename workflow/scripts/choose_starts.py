"""Rule choose_starts."""

from retort.running.job import job
from retort.stages.choose_starts import choose_starts

with job(snakemake):
    choose_starts(
        snakemake.input.inversions,
        snakemake.output.starts,
        ipc=int(snakemake.wildcards.number),
        dataset=snakemake.params.dataset,
        seed=snakemake.params.seed,
        **snakemake.params.start,
    )
