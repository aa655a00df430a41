"""Retort: distil an image data set, and measure what the distilled images are worth.

snakemake --cores 2            everything that the config asks for
snakemake --cores 2 d3hr       one method: its distilled sets, its students, its own table
snakemake --cores 2 tables     only the tables (and what they need)
snakemake --cores 2 report_page  all of it on one page, results/report.html
snakemake --cores 2 exports    each distilled set as one Parquet file with soft labels, and its card
snakemake --cores 2 fetch      models and teachers from elsewhere; after it, no job needs a network
"""

from snakemake.utils import min_version

min_version("9.0")


include: "rules/config.smk"
include: "rules/common.smk"
include: "rules/needs.smk"
include: "rules/data.smk"
include: "rules/fetch.smk"
include: "rules/models.smk"
include: "rules/teachers.smk"
include: "rules/latents.smk"
include: "rules/inversion.smk"
include: "rules/discovery.smk"
include: "rules/patches.smk"
include: "rules/dynamics.smk"
include: "rules/distil.smk"
include: "rules/subgroups.smk"
include: "rules/labels.smk"
include: "rules/students.smk"
include: "rules/tables.smk"
include: "rules/figures.smk"
include: "rules/quality.smk"
include: "rules/report.smk"
include: "rules/export.smk"
include: "rules/start.smk"


rule all:
    default_target: True
    input:
        rules.tables.input,
        rules.figures.input,
        quality_table(),
        sets_and_students(),


# One target per method and sweep of the config: what is added there can be named here at once.
for method in plan.config.methods:

    rule:
        name:
            method
        input:
            method_targets(method),


for sweep in plan.config.sweeps:

    rule:
        name:
            sweep
        input:
            sweep_targets(sweep),


include: "rules/targets.smk"
