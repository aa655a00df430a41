"""Rule build_manifest."""

from retort.running.job import job
from retort.stages.prepare import build_manifest

with job(snakemake):
    build_manifest(
        snakemake.input.get("images"),
        snakemake.output.manifest,
        snakemake.output.classes,
        snakemake.output.bad_images,
        **snakemake.params.settings,
        classes=snakemake.params.classes,
        made_of=snakemake.params.made_of,
        needed=snakemake.resources.get("needed", ""),
        threads=snakemake.threads,
    )
