"""Rule write_card."""

from retort.stages.export_card import write_card
from retort.stages.job import job

with job(snakemake):
    write_card(
        snakemake.input.distilled,
        snakemake.input.accuracy,
        snakemake.input.sheet,
        snakemake.input.get("teacher"),
        snakemake.output.card,
        snakemake.output.picture,
        about=snakemake.params.about,
    )
