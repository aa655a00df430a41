"""Rule report_page."""

from pathlib import Path

from retort.stages.job import job
from retort.stages.report.page import write_report

with job(snakemake):
    write_report(
        snakemake.input.template,
        snakemake.output.page,
        accuracy=snakemake.input.accuracy,
        scores=snakemake.input.scores,
        models=snakemake.input.models,
        costs=snakemake.input.costs,
        quality=next(iter(snakemake.input.get("quality", [])), None),
        manifest=snakemake.input.manifest,
        class_table=snakemake.input.classes,
        students=[file for folder in snakemake.input.students for file in sorted(Path(folder).glob("*.json"))],
        sets=snakemake.input.sets,
        origins=snakemake.input.origins,
        gallery=snakemake.input.gallery,
        classes=snakemake.input.class_sheets,
        pictures=snakemake.input.pictures,
        about=snakemake.params.about,
    )
