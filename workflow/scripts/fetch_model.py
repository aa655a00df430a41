"""Rule fetch_model."""

from retort.running.job import job
from retort.stages.fetch_model import fetch_model

with job(snakemake, network=True):
    fetch_model(snakemake.output.model, name=snakemake.wildcards.model, **snakemake.params.origin)
