"""What comes from elsewhere: `snakemake fetch`, where there is a network. No other job has one."""


rule fetch:
    input:
        DATA / "models.csv",
        fetched_teachers,
    localrule: True


rule fetch_model:
    output:
        model=directory(DATA / "models" / "{model}"),
    log:
        LOGS / "fetch_model" / "{model}.log",
    benchmark:
        BENCHMARKS / "fetch_model" / "{model}.tsv"
    wildcard_constraints:
        model=one_of(plan.model_names(trained=False)),
    localrule: True
    params:
        code=code_of("fetch_model"),
        origin=model_origin,
    script:
        "../workflow/scripts/fetch_model.py"


rule check_models:
    input:
        models=fetched_models,
    output:
        csv=DATA / "models.csv",
    log:
        LOGS / "check_models.log",
    benchmark:
        BENCHMARKS / "check_models" / "models.tsv"
    localrule: True
    params:
        code=code_of("check_models"),
        kinds=fetched_kinds(),
        encoders=everything.encoders_at_work(),
        uses=everything.uses_of_fetched(),
        classes=as_it_stands(plan.classes),
    script:
        "../workflow/scripts/check_models.py"
