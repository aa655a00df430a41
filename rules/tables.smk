"""The tables that users read."""


rule tabulate_accuracy:
    input:
        students=students_of(),
    output:
        csv=report(
            RESULTS / "accuracy.csv",
            caption=CAPTIONS / "accuracy.rst",
            category="Accuracy",
            labels={"what": "table"},
        ),
        markdown=RESULTS / "accuracy.md",
        latex=RESULTS / "accuracy.tex",
    log:
        LOGS / "tabulate_accuracy.log",
    benchmark:
        BENCHMARKS / "tabulate_accuracy" / "all.tsv"
    resources:
        mem_mb=memory(4),
        runtime=minutes(30),
    params:
        code=code_of("tabulate_accuracy"),
        random=plan.wanted_that_select("random"),
        full=plan.wanted_that_select("all"),
        unguided=plan.unguided_twins(),
        wanted=wanted_seeds,
        protocols=protocol_ids,
        reported=published_numbers,
    script:
        "../workflow/scripts/tabulate_accuracy.py"


use rule tabulate_accuracy as tabulate_method with:
    input:
        students=method_students,
    output:
        csv=DATA / "tables" / "{method}.csv",
        markdown=DATA / "tables" / "{method}.md",
        latex=DATA / "tables" / "{method}.tex",
    log:
        LOGS / "tabulate_method" / "{method}.log",
    benchmark:
        BENCHMARKS / "tabulate_method" / "{method}.tsv"


rule tabulate_classes:
    input:
        students=students_of(),
        classes=CLASSES,
    output:
        csv=report(
            RESULTS / "per_class.csv",
            caption=CAPTIONS / "per_class.rst",
            category="Accuracy",
            labels={"what": "class by class"},
        ),
    log:
        LOGS / "tabulate_classes.log",
    benchmark:
        BENCHMARKS / "tabulate_classes" / "all.tsv"
    resources:
        mem_mb=memory(4),
        runtime=minutes(30),
    params:
        code=code_of("tabulate_classes"),
    script:
        "../workflow/scripts/tabulate_classes.py"


rule tabulate_scores:
    input:
        students=students_of(),
    output:
        csv=report(
            RESULTS / "scores.csv",
            caption=CAPTIONS / "scores.rst",
            category="Accuracy",
            labels={"what": "scores (LRS, ARS)"},
        ),
    log:
        LOGS / "tabulate_scores.log",
    benchmark:
        BENCHMARKS / "tabulate_scores" / "all.tsv"
    resources:
        mem_mb=memory(4),
        runtime=minutes(30),
    params:
        code=code_of("tabulate_scores"),
        random=plan.wanted_that_select("random"),
        full=plan.wanted_that_select("all"),
        hard=plan.hard_protocols(),
        plain=plan.plain_twins(),
    script:
        "../workflow/scripts/tabulate_scores.py"


rule tabulate_models:
    input:
        trained=collect(rules.train_vae.output.model, model=plan.used_encoders(trained=True))
        + [teacher_directory(teacher) for teacher in plan.used_teachers()],
        judged=collect(rules.judge_model.output.quality, model=plan.used_models(), teacher=plan.used_teachers()),
    output:
        csv=report(
            RESULTS / "models.csv",
            caption=CAPTIONS / "models.rst",
            category="Models",
            labels={"what": "quality of the models in between"},
        ),
    log:
        LOGS / "tabulate_models.log",
    benchmark:
        BENCHMARKS / "tabulate_models" / "all.tsv"
    resources:
        mem_mb=memory(4),
        runtime=minutes(30),
    params:
        code=code_of("tabulate_models"),
    script:
        "../workflow/scripts/tabulate_models.py"


rule tabulate_costs:
    input:
        benchmarks=wanted_benchmarks,
        manifest=rules.build_manifest.output.manifest,
        classes=CLASSES,
    output:
        csv=report(
            RESULTS / "costs.csv",
            caption=CAPTIONS / "costs.rst",
            category="Costs",
            labels={"what": "by method and stage"},
        ),
        jobs=report(
            RESULTS / "jobs.csv",
            caption=CAPTIONS / "jobs.rst",
            category="Costs",
            labels={"what": "of every job"},
        ),
    log:
        LOGS / "tabulate_costs.log",
    benchmark:
        BENCHMARKS / "tabulate_costs" / "all.tsv"
    resources:
        mem_mb=memory(4),
        runtime=minutes(30),
    params:
        code=code_of("tabulate_costs"),
        jobs=cost_jobs,
        shards=list(plan.shards),
        full=full_size(plan),
    script:
        "../workflow/scripts/tabulate_costs.py"


rule tables:
    input:
        rules.tabulate_accuracy.output,
        rules.tabulate_scores.output,
        rules.tabulate_classes.output,
        rules.tabulate_models.output,
        rules.tabulate_costs.output,
