"""Rule score_windows."""

from retort.running.job import job
from retort.stages.score_windows import score_windows

with job(snakemake):
    score_windows(
        snakemake.input.maps,
        snakemake.input.manifest,
        snakemake.output.patches,
        classes=snakemake.params.classes,
        **snakemake.params.score,
    )
