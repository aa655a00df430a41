"""Rule fetch_teacher."""

from retort.stages.fetch_teacher import fetch_teacher
from retort.stages.job import job

with job(snakemake, network=True):
    fetch_teacher(snakemake.output.teacher, name=snakemake.wildcards.teacher, **snakemake.params.origin)
