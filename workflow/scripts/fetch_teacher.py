"""Rule fetch_teacher."""

from retort.running.job import job
from retort.stages.fetch_teacher import fetch_teacher

with job(snakemake, network=True):
    fetch_teacher(snakemake.output.teacher, name=snakemake.wildcards.teacher, **snakemake.params.origin)
