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
    log:
        LOGS / "tabulate_accuracy.log",
    benchmark:
        BENCHMARKS / "tabulate_accuracy" / "all.tsv"
    conda:
        "../envs/retort.yaml"
    params:
        code=code_of("tabulate_accuracy"),
        random=plan.methods_that_select("random"),
        full=plan.methods_that_select("all"),
    script:
        "../workflow/scripts/tabulate_accuracy.py"


use rule tabulate_accuracy as tabulate_method with:
    input:
        students=method_students,
    output:
        csv=DATA / "tables" / "{method}.csv",
        markdown=DATA / "tables" / "{method}.md",
    log:
        LOGS / "tabulate_method" / "{method}.log",
    benchmark:
        BENCHMARKS / "tabulate_method" / "{method}.tsv"


rule tabulate_models:
    input:
        trained=collect(rules.train_vae.output.model, model=plan.used_encoders(trained=True))
        + collect(rules.train_teacher.output.teacher, teacher=plan.used_teachers()),
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
    conda:
        "../envs/retort.yaml"
    params:
        code=code_of("tabulate_models"),
    script:
        "../workflow/scripts/tabulate_models.py"


rule tabulate_costs:
    input:
        **wanted_benchmarks(),
    output:
        csv=report(
            RESULTS / "costs.csv",
            caption=CAPTIONS / "costs.rst",
            category="Costs",
            labels={"what": "time and memory by stage"},
        ),
    log:
        LOGS / "tabulate_costs.log",
    benchmark:
        BENCHMARKS / "tabulate_costs" / "all.tsv"
    conda:
        "../envs/retort.yaml"
    params:
        code=code_of("tabulate_costs"),
    script:
        "../workflow/scripts/tabulate_costs.py"


rule tables:
    input:
        rules.tabulate_accuracy.output,
        rules.tabulate_models.output,
        rules.tabulate_costs.output,
