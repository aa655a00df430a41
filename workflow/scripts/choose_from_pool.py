"""Rule choose_from_pool."""

from retort.running.job import job
from retort.stages.choose_from_pool import choose_from_pool

with job(snakemake):
    choose_from_pool(
        snakemake.input.pool,
        snakemake.input.get("teacher"),
        snakemake.input.classes,
        snakemake.output.selection,
        select=snakemake.params.select,
        ipc=int(snakemake.wildcards.ipc),
        dataset=snakemake.params.dataset,
        seed=snakemake.params.seed,
    )
