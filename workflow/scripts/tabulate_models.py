"""Rule tabulate_models."""

from pathlib import Path

from retort.running.job import job
from retort.stages.tabulate import tabulate_models

with job(snakemake):
    trained = [Path(folder, "quality.json") for folder in snakemake.input.trained]
    tabulate_models([*trained, *snakemake.input.judged], snakemake.output.csv)
