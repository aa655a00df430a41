"""Rule fetch_model."""

from retort.stages.fetch_model import fetch_model
from retort.stages.job import job

with job(snakemake, network=True):
    fetch_model(snakemake.output.model, name=snakemake.wildcards.model, **snakemake.params.origin)
