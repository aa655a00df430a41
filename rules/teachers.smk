"""Teachers: trained here, or fetched and fitted to the data set; each measured, as it will judge, before it does."""

from retort.config.timm_names import PUBLISHED_TOP1


def teacher_settings(wildcards):
    return plan.config.teachers[wildcards.teacher].model_dump(include={"arch", "expect"})


def teacher_training(wildcards):
    return plan.config.teachers[wildcards.teacher].train.model_dump(mode="json")


def teacher_origin(wildcards):
    """Where a teacher is fetched from: timm's weights, or a checkpoint on this machine and the state of its files.

    The latter is for the data set's classes and side where neither the config nor the source says it.
    """
    stated = {"arch", "source", "revision", "classes", "resolution", "mean", "std"}
    teacher = plan.config.teachers[wildcards.teacher]
    if teacher.source is None:
        return teacher.model_dump(include=stated)
    fetched = DATA / "fetched-teachers" / wildcards.teacher
    of_data = {"dataset_classes": plan.classes, "side": plan.dataset.resolution}
    stamp = packaged_stamp(teacher.source) or source_stamp(teacher.source, teacher_files(teacher.source), fetched)
    of_files = {"stamp": stamp}
    return teacher.model_dump(include=stated) | of_data | of_files


def adopted_expectation(wildcards):
    """The accuracy that the config, or else the publisher, states."""
    teacher = plan.config.teachers[wildcards.teacher]
    return PUBLISHED_TOP1.get(teacher.arch) if teacher.expect is None else teacher.expect


rule train_teacher:
    input:
        train=TRAIN,
        val=VAL,
        class_table=CLASSES,
    output:
        teacher=directory(DATA / "teachers" / "{teacher}"),
    log:
        LOGS / "train_teacher" / "{teacher}.log",
    benchmark:
        BENCHMARKS / "train_teacher" / "{teacher}.tsv"
    wildcard_constraints:
        teacher=one_of(plan.teacher_names(trained=True)),
    resources:
        gpu=1,
        mem_mb=memory(8),
        runtime=computing(work.train_teacher),
    params:
        code=code_of("train_teacher"),
        name="{teacher}",
        arguments=teacher_settings,
        settings=teacher_training,
        seed=plan.seed,
        checkpoint=str(CHECKPOINTS / "teachers" / "{teacher}.safetensors"),
    script:
        "../workflow/run.py"


rule fetch_teacher:
    output:
        teacher=directory(DATA / "fetched-teachers" / "{teacher}"),
    log:
        LOGS / "fetch_teacher" / "{teacher}.log",
    benchmark:
        BENCHMARKS / "fetch_teacher" / "{teacher}.tsv"
    wildcard_constraints:
        teacher=one_of(plan.teacher_names(trained=False)),
    localrule: True
    resources:
        network=1,
    params:
        code=code_of("fetch_teacher"),
        name="{teacher}",
        arguments=teacher_origin,
    script:
        "../workflow/run.py"


rule adopt_teacher:
    input:
        fetched=rules.fetch_teacher.output.teacher,
        val=VAL,
        class_table=CLASSES,
    output:
        teacher=directory(DATA / "teachers" / "{teacher}"),
    log:
        LOGS / "adopt_teacher" / "{teacher}.log",
    benchmark:
        BENCHMARKS / "adopt_teacher" / "{teacher}.tsv"
    wildcard_constraints:
        teacher=one_of(plan.teacher_names(trained=False)),
    resources:
        gpu=1,
        mem_mb=memory(8),
        runtime=computing(work.adopt_teacher),
    params:
        code=code_of("adopt_teacher"),
        name="{teacher}",
        expect=adopted_expectation,
    script:
        "../workflow/run.py"


rule measure_raw_teacher:
    input:
        teacher=DATA / "teachers" / "{teacher}",
        val=VAL,
        class_table=CLASSES,
    output:
        quality=DATA / "teachers-raw" / "{teacher}.json",
    log:
        LOGS / "measure_raw_teacher" / "{teacher}.log",
    benchmark:
        BENCHMARKS / "measure_raw_teacher" / "{teacher}.tsv"
    resources:
        gpu=1,
        mem_mb=memory(8),
        runtime=computing(work.measure_raw_teacher),
    params:
        code=code_of("measure_raw_teacher"),
        name="{teacher}",
    script:
        "../workflow/run.py"
