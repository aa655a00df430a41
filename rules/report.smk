"""One page with everything, for people who were not there. Snakemake's own --report stays possible beside it."""

@cache
def used_parts_of_plan():
    return used_parts(plan)


def report_used(wildcards):
    """The parts of the config that the wanted methods use."""
    return used_parts_of_plan()


def used_models(wildcards):
    """The directories of all models and teachers that the wanted methods and protocols use."""
    used = used_parts_of_plan()
    return [DATA / "models" / name for name in used["models"]] + [teacher_directory(name) for name in used["teachers"]]


rule report_page:
    input:
        [CAPTIONS / "page.css", CAPTIONS / "page.js"],
        template=CAPTIONS / "page.html.j2",
        accuracy=rules.tabulate_accuracy.output.csv,
        scores=rules.tabulate_scores.output.csv,
        models=rules.tabulate_models.output.csv,
        costs=rules.tabulate_costs.output.csv,
        per_class=rules.tabulate_classes.output.csv,
        jobs=rules.tabulate_costs.output.per_job,
        quality=quality_table(),
        manifest=rules.build_manifest.output.manifest,
        class_table=CLASSES,
        students=students_of(),
        sets=sets_of(plan.wanted("method", "ipc")),
        origins=used_models,
        gallery=rules.draw_gallery.output.figure,
        class_sheets=rules.draw_classes.output.figures,
        pictures=figures_of(),
    output:
        page=RESULTS / "report.html",
    log:
        LOGS / "report_page.log",
    benchmark:
        BENCHMARKS / "report_page" / "page.tsv"
    resources:
        mem_mb=memory(8),
        runtime=minutes(60),
    params:
        code=code_of("report_page"),
        used=report_used,
    script:
        "../workflow/run.py"
