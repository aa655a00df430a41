"""Rule train_vae."""

from pathlib import Path

from retort.models.training_state import Checkpoint
from retort.running.job import job, purpose
from retort.stages.make_vae import make_vae

with job(snakemake):
    make_vae(
        snakemake.input.train,
        snakemake.input.val,
        snakemake.output.model,
        Checkpoint(Path(snakemake.params.checkpoint), purpose(snakemake)),
        name=snakemake.wildcards.model,
        seed=snakemake.params.seed,
        settings=snakemake.params.settings,
    )
