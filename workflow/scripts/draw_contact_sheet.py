"""Rule draw_contact_sheet."""

from retort.running.job import job
from retort.stages.draw_sheets import draw_contact_sheet

with job(snakemake):
    draw_contact_sheet(
        snakemake.input.distilled,
        snakemake.input.get("train"),
        snakemake.input.manifest,
        snakemake.input.classes,
        snakemake.output.figure,
        classes=snakemake.params.classes,
        side=snakemake.params.side,
        title=f"{snakemake.wildcards.method}, {snakemake.wildcards.ipc} per class",
    )
