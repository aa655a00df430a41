"""What comes from elsewhere: `snakemake fetch`, where there is a network. No other job has one."""

from retort.data.stamps import source_stamp
from retort.models.sources import model_files, packaged_stamp, teacher_files

# Every method is a target, so what any of them needs is fetched.
everything = plan.with_every_method()


def model_origin(wildcards):
    """Where a model is fetched from, the state of the files there where it is on this machine, and the dtype in which
    its weights are stored where that is narrow."""
    model, stated = plan.config.models[wildcards.model], {"kind", "source", "revision", "heads", "allow_pickle"}
    files = model_files(model.source, model.kind, model.allow_pickle)
    stamp = packaged_stamp(model.source) or source_stamp(model.source, files, model_directory(wildcards))
    dtype = plan.stored_dtype(wildcards.model)
    return model.model_dump(include=stated) | {"stamp": stamp} | ({"store": dtype} if dtype else {})


def fetched_models(wildcards):
    return collect(rules.fetch_model.output.model, model=everything.fetched_models())


def fetched_kinds():
    """Model -> kind, in the order of `fetched_models`."""
    return {name: plan.config.models[name].kind for name in everything.fetched_models()}


def fetched_teachers(wildcards):
    return collect(rules.fetch_teacher.output, teacher=everything.used_teachers(trained=False))


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
    resources:
        network=1,
    params:
        code=code_of("fetch_model"),
        name="{model}",
        arguments=model_origin,
    script:
        "../workflow/run.py"


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
        class_ids=as_it_stands(plan.classes),
    script:
        "../workflow/run.py"
