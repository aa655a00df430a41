"""Rule score_crops."""

from retort.running.job import job
from retort.stages.score_crops import score_crops

with job(snakemake):
    score_crops(
        snakemake.input.manifest,
        snakemake.input.classes,
        snakemake.input.teacher,
        snakemake.output.patches,
        classes=snakemake.params.classes,
        **snakemake.params.score,
        side=snakemake.params.side,
        dataset=snakemake.params.dataset,
        seed=snakemake.params.seed,
        threads=snakemake.threads,
    )
