"""Rule tabulate_scores."""

from pathlib import Path

from retort.stages.job import job
from retort.stages.score import tabulate_scores

with job(snakemake):
    tabulate_scores(
        [file for folder in snakemake.input.students for file in sorted(Path(folder).glob("*.json"))],
        snakemake.output.csv,
        random=snakemake.params.random,
        full=snakemake.params.full,
        hard=snakemake.params.hard,
        plain=snakemake.params.plain,
    )
