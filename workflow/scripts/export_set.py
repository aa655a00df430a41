"""Rule export_set."""

from retort.running.job import job
from retort.stages.export import export_set

with job(snakemake):
    export_set(
        snakemake.input.distilled,
        snakemake.input.classes,
        snakemake.input.get("teacher"),
        snakemake.output.table,
        about=snakemake.params.about,
    )
