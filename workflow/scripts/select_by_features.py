"""Rule select_by_features."""

from retort.running.job import job
from retort.stages.select_by_features import select_by_features

with job(snakemake):
    select_by_features(
        snakemake.input.manifest,
        snakemake.input.classes,
        snakemake.input.features,
        snakemake.output.selection,
        classes=snakemake.params.classes,
        select=snakemake.params.select,
        ipc=int(snakemake.wildcards.ipc),
        dataset=snakemake.params.dataset,
        seed=snakemake.params.seed,
    )
