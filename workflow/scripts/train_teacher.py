"""Rule train_teacher."""

from pathlib import Path

from retort.models.training_state import Checkpoint
from retort.running.job import job, purpose
from retort.stages.make_teacher import make_teacher

with job(snakemake):
    make_teacher(
        snakemake.input.train,
        snakemake.input.val,
        snakemake.input.classes,
        snakemake.output.teacher,
        Checkpoint(Path(snakemake.params.checkpoint), purpose(snakemake)),
        name=snakemake.wildcards.teacher,
        **snakemake.params.teacher,
        seed=snakemake.params.seed,
        settings=snakemake.params.settings,
    )
