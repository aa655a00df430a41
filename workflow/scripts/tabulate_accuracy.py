"""Rules tabulate_accuracy and tabulate_method."""

from pathlib import Path

from retort.stages.job import job
from retort.stages.tabulate import tabulate_accuracy

with job(snakemake):
    tabulate_accuracy(
        [file for folder in snakemake.input.students for file in sorted(Path(folder).glob("*.json"))],
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
