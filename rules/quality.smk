"""Measures of distilled sets beyond accuracy, where the config asks for them (`quality`)."""


def real_features(wildcards):
    """What the teacher sees in every training image."""
    return collect(rules.describe_images.output.features, teacher=wildcards.teacher, shard=plan.shards)


def measured_row(wildcards):
    """What names the row of a measured set."""
    return {name: wildcards[name] for name in ("method", "ipc", "teacher")}


def wanted_quality(wildcards):
    return plan.config.quality.model_dump(include={"measures", "neighbors"})


def measured_sets(wildcards):
    teacher = plan.config.quality.teacher
    return [path_of(rules.measure_quality.output.measured, teacher=teacher, **row) for row in plan.distilled_sets()]


def quality_table():
    """The table of measures, where the config asks for them."""
    return rules.tabulate_quality.output if plan.config.quality else []


rule measure_quality:
    input:
        distilled=DISTILLED,
        features=real_features,
        class_table=CLASSES,
        teacher=DATA / "teachers" / "{teacher}",
    output:
        measured=DATA / "quality" / "{method}-ipc{ipc}-by-{teacher}.json",
    log:
        LOGS / "measure_quality" / "{method}" / "ipc{ipc}-by-{teacher}.log",
    benchmark:
        BENCHMARKS / "measure_quality" / "{method}" / "ipc{ipc}-by-{teacher}.tsv"
    wildcard_constraints:
        ipc=r"\d+",
    threads: READERS
    resources:
        gpu=1,
        mem_mb=memory(set_memory),
        runtime=computing(work.measure_quality),
    params:
        code=code_of("measure_quality"),
        dataset=plan.dataset.name,
        seed=plan.seed,
        row=measured_row,
        side=plan.dataset.resolution,
        arguments=wanted_quality,
    script:
        "../workflow/run.py"


rule tabulate_quality:
    input:
        measured=measured_sets,
    output:
        csv=report(
            RESULTS / "quality.csv",
            caption=CAPTIONS / "quality.rst",
            category="Distilled sets",
            labels={"method": "all", "images per class": "all"},
        ),
    log:
        LOGS / "tabulate_quality.log",
    benchmark:
        BENCHMARKS / "tabulate_quality" / "all.tsv"
    resources:
        mem_mb=memory(4),
        runtime=minutes(30),
    params:
        code=code_of("tabulate_quality"),
    script:
        "../workflow/run.py"
