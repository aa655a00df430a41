"""Rule refine_latents."""

from retort.models.load import CodecFiles, ModelFiles
from retort.stages.job import job
from retort.stages.refine import Refinement, refine_shard

with job(snakemake):
    refine_shard(
        snakemake.input.classes,
        snakemake.input.images,
        snakemake.input.chosen,
        snakemake.output.images,
        model=ModelFiles(snakemake.input.model, **snakemake.params.model),
        codec=CodecFiles(snakemake.input.encoder, **snakemake.params.codec),
        refinement=Refinement(**snakemake.params.refinement),
        classes=snakemake.params.classes,
        ipc=int(snakemake.wildcards.ipc),
        side=snakemake.params.side,
        dataset=snakemake.params.dataset,
        seed=snakemake.params.seed,
        batch=snakemake.resources.batch,
    )
