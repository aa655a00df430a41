"""Rule write_set."""

from retort.running.job import job
from retort.stages.write_set import write_set

with job(snakemake):
    write_set(
        snakemake.input.classes,
        snakemake.input.manifest,
        snakemake.input.get("selection", []),
        snakemake.input.get("images", []),
        snakemake.input.get("chosen", []),
        snakemake.input.get("models", []),
        snakemake.output.distilled,
        copy=snakemake.params.copy_images,
        about=snakemake.params.about,
        side=snakemake.params.side,
        fit=snakemake.params.fit,
        threads=snakemake.threads,
        store=snakemake.params.store,
    )
