"""Rule relabel_set."""

from retort.protocols.labels import Top
from retort.protocols.views import ViewSettings
from retort.running.job import job
from retort.stages.relabel import relabel

with job(snakemake):
    relabel(
        snakemake.input.distilled,
        snakemake.input.get("train"),
        snakemake.input.classes,
        snakemake.input.teacher,
        snakemake.output.labels,
        kind=snakemake.params.kind,
        views=ViewSettings(**snakemake.params.views) if snakemake.params.views else None,
        top=Top(**snakemake.params.top) if snakemake.params.top else None,
        dataset=snakemake.params.dataset,
        seed=snakemake.params.seed,
        precision=snakemake.params.precision,
        readers=snakemake.resources.get("readers", 1),
    )
