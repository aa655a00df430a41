"""Rule tabulate_classes."""

from retort.running.job import job
from retort.stages.per_class import tabulate_classes
from retort.stages.tabulate import student_files

with job(snakemake):
    tabulate_classes(
        student_files(snakemake.input.students),
        snakemake.input.classes,
        snakemake.output.csv,
    )
