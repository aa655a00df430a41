"""Rule refine_latents."""

from retort.running.job import job
from retort.stages.model_files import diffusion_files
from retort.stages.refine import Refinement, refine_shard

with job(snakemake):
    refine_shard(
        snakemake.input.classes,
        snakemake.input.images,
        snakemake.input.chosen,
        snakemake.output.images,
        **diffusion_files(snakemake),
        refinement=Refinement(**snakemake.params.refinement),
        classes=snakemake.params.classes,
        ipc=int(snakemake.wildcards.ipc),
        side=snakemake.params.side,
        dataset=snakemake.params.dataset,
        seed=snakemake.params.seed,
        batch=snakemake.resources.batch,
    )
