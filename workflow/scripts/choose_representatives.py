"""Rule choose_representatives."""

from retort.running.job import job
from retort.stages.discover import choose_representatives

with job(snakemake):
    choose_representatives(
        snakemake.input.clusters,
        snakemake.input.manifest,
        snakemake.input.classes,
        snakemake.output.representatives,
        classes=snakemake.params.classes,
        count=int(snakemake.wildcards.number),
        dataset=snakemake.params.dataset,
        seed=snakemake.params.seed,
        **snakemake.params.hdbscan,
    )
