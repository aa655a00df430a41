"""Rule judge_model."""

from retort.running.job import job
from retort.stages.judge_model import judge_model
from retort.stages.model_files import diffusion_files

with job(snakemake):
    judge_model(
        snakemake.input.classes,
        snakemake.input.teacher,
        snakemake.output.quality,
        name=snakemake.wildcards.model,
        **diffusion_files(snakemake),
        side=snakemake.params.side,
        dataset=snakemake.params.dataset,
        seed=snakemake.params.seed,
        batch=snakemake.resources.batch,
    )
