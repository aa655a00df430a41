"""Rule write_cards."""

from retort.running.job import job
from retort.stages.export_card import write_cards

with job(snakemake):
    write_cards(
        snakemake.input.distilled,
        snakemake.input.accuracy,
        snakemake.input.sheets,
        snakemake.output.cards,
        snakemake.output.pictures,
        about=snakemake.params.about,
    )
