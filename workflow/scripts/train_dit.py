"""Rule train_dit."""

from pathlib import Path

from retort.models.fit import Checkpoint
from retort.stages.job import job, purpose
from retort.stages.make_dit import make_dit

with job(snakemake):
    make_dit(
        snakemake.input.latents,
        snakemake.input.classes,
        snakemake.input.vae,
        snakemake.output.model,
        Checkpoint(Path(snakemake.params.checkpoint), purpose(snakemake)),
        name=snakemake.wildcards.model,
        seed=snakemake.params.seed,
        settings=snakemake.params.settings,
    )
