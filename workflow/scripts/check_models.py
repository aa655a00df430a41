"""Rule check_models."""

from retort.running.job import job
from retort.stages.check_models import Encoder, Use, check_models

with job(snakemake):
    check_models(
        dict(zip(snakemake.params.kinds, snakemake.input.models, strict=True)),
        snakemake.output.csv,
        kinds=snakemake.params.kinds,
        encoders={name: Encoder(**about) for name, about in snakemake.params.encoders.items()},
        uses=[Use(**about) for about in snakemake.params.uses],
        class_ids=snakemake.params.classes,
    )
