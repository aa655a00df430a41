"""Rule tabulate_scores."""

from retort.running.job import job
from retort.stages.score import tabulate_scores
from retort.stages.tabulate import student_files

with job(snakemake):
    tabulate_scores(
        student_files(snakemake.input.students),
        snakemake.output.csv,
        random=snakemake.params.random,
        full=snakemake.params.full,
        hard=snakemake.params.hard,
        plain=snakemake.params.plain,
    )
