"""Rules tabulate_accuracy and tabulate_method."""

from retort.running.job import job
from retort.stages.tabulate import student_files, tabulate_accuracy

with job(snakemake):
    tabulate_accuracy(
        student_files(snakemake.input.students),
        snakemake.output.csv,
        snakemake.output.markdown,
        snakemake.output.latex,
        random=snakemake.params.random,
        full=snakemake.params.full,
        unguided=snakemake.params.unguided,
        wanted=snakemake.params.wanted,
        protocols=snakemake.params.protocols,
        reported=snakemake.params.reported,
    )
