"""Rule score_typicality."""

from pathlib import Path

from retort.running.job import job, purpose
from retort.stages.kept_classes import KeptClasses
from retort.stages.model_files import diffusion_files
from retort.stages.typicality import score_shard

with job(snakemake):
    score_shard(
        snakemake.input.latents,
        snakemake.input.classes,
        snakemake.output.maps,
        KeptClasses(Path(snakemake.params.checkpoint), purpose(snakemake)),
        **diffusion_files(snakemake),
        classes=snakemake.params.classes,
        **snakemake.params.typicality,
        dataset=snakemake.params.dataset,
        seed=snakemake.params.seed,
        batch=snakemake.resources.batch,
    )
