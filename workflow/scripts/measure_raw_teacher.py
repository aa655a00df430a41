"""Rule measure_raw_teacher."""

from retort.running.job import job
from retort.stages.measure_raw_teacher import measure_raw_teacher

with job(snakemake):
    measure_raw_teacher(
        snakemake.input.teacher,
        snakemake.input.val,
        snakemake.input.classes,
        snakemake.output.quality,
        name=snakemake.wildcards.teacher,
    )
