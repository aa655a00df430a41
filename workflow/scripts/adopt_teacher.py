"""Rule adopt_teacher."""

from retort.running.job import job
from retort.stages.adopt_teacher import adopt_teacher

with job(snakemake):
    adopt_teacher(
        snakemake.input.fetched,
        snakemake.input.val,
        snakemake.input.classes,
        snakemake.output.teacher,
        name=snakemake.wildcards.teacher,
        expect=snakemake.params.expect,
    )
