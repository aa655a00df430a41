"""Rule report_page."""

from retort.running.job import job
from retort.stages.report.page import write_report
from retort.stages.tabulate import student_files

with job(snakemake):
    write_report(
        snakemake.input.template,
        snakemake.output.page,
        accuracy=snakemake.input.accuracy,
        scores=snakemake.input.scores,
        models=snakemake.input.models,
        costs=snakemake.input.costs,
        per_class=snakemake.input.per_class,
        jobs=snakemake.input.jobs,
        quality=next(iter(snakemake.input.get("quality", [])), None),
        manifest=snakemake.input.manifest,
        class_table=snakemake.input.classes,
        students=student_files(snakemake.input.students),
        sets=snakemake.input.sets,
        origins=snakemake.input.origins,
        gallery=snakemake.input.gallery,
        classes=snakemake.input.class_sheets,
        pictures=snakemake.input.pictures,
        about=snakemake.params.about,
    )
