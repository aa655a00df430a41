"""Rule judge_model."""

from retort.models.load import CodecFiles, ModelFiles
from retort.stages.job import job
from retort.stages.judge_model import judge_model

with job(snakemake):
    judge_model(
        snakemake.input.classes,
        snakemake.input.teacher,
        snakemake.output.quality,
        name=snakemake.wildcards.model,
        model=ModelFiles(snakemake.input.model, **snakemake.params.model),
        codec=CodecFiles(snakemake.input.encoder, **snakemake.params.codec),
        side=snakemake.params.side,
        dataset=snakemake.params.dataset,
        seed=snakemake.params.seed,
        batch=snakemake.resources.batch,
    )
