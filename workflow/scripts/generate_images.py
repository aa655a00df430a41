"""Rule generate_images."""

from pathlib import Path

from retort.methods.sampling import Sampling
from retort.running.job import job, purpose
from retort.stages.generate import generate_shard
from retort.stages.kept_classes import KeptClasses
from retort.stages.model_files import diffusion_files

with job(snakemake):
    generate_shard(
        snakemake.input.classes,
        snakemake.input.get("starts"),
        snakemake.input.get("representatives"),
        snakemake.input.get("latents"),
        snakemake.output.images,
        KeptClasses(Path(snakemake.params.checkpoint), purpose(snakemake), "batch"),
        **diffusion_files(snakemake),
        sampling=Sampling(**snakemake.params.sampling),
        classes=snakemake.params.classes,
        count=int(snakemake.wildcards.number),
        side=snakemake.params.side,
        dataset=snakemake.params.dataset,
        seed=snakemake.params.seed,
        batch=snakemake.resources.batch,
    )
