"""Rule train_dit."""

from pathlib import Path

from retort.models.training_state import Checkpoint
from retort.running.job import job, purpose
from retort.stages.make_dit import Start, make_dit

start = snakemake.input.get("start")

with job(snakemake):
    make_dit(
        snakemake.input.latents,
        snakemake.input.classes,
        snakemake.input.vae,
        snakemake.output.model,
        Checkpoint(Path(snakemake.params.checkpoint), purpose(snakemake)),
        name=snakemake.wildcards.model,
        seed=snakemake.params.seed,
        settings={
            **snakemake.params.settings,
            "micro_batch": snakemake.resources.micro_batch,
            "recompute": bool(snakemake.resources.recompute),
        },
        start=Start(start, snakemake.params.start_classes) if start else None,
    )
