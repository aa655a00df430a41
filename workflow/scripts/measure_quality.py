"""Rule measure_quality."""

from retort.running.job import job
from retort.stages.quality import measure_quality

with job(snakemake):
    measure_quality(
        snakemake.input.distilled,
        snakemake.input.features,
        snakemake.input.classes,
        snakemake.input.teacher,
        snakemake.output.measured,
        about=dict(snakemake.wildcards),
        **snakemake.params.quality,
        side=snakemake.params.side,
        dataset=snakemake.params.dataset,
        seed=snakemake.params.seed,
        threads=snakemake.threads,
    )
