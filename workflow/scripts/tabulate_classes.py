"""Rule tabulate_classes."""

from pathlib import Path

from retort.stages.job import job
from retort.stages.per_class import tabulate_classes

with job(snakemake):
    tabulate_classes(
        [file for folder in snakemake.input.students for file in sorted(Path(folder).glob("*.json"))],
        snakemake.input.classes,
        snakemake.output.csv,
    )
