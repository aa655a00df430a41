"""Teachers: trained here, or fetched and fitted to the data set; each measured, as it will judge, before it does."""


rule train_teacher:
    input:
        train=TRAIN,
        val=VAL,
        classes=CLASSES,
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
        teacher=teacher_settings,
        settings=teacher_training,
        seed=plan.seed,
        checkpoint=str(CHECKPOINTS / "teachers" / "{teacher}.safetensors"),
    script:
        "../workflow/scripts/train_teacher.py"


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
    params:
        code=code_of("fetch_teacher"),
        origin=teacher_origin,
    script:
        "../workflow/scripts/fetch_teacher.py"


rule adopt_teacher:
    input:
        fetched=rules.fetch_teacher.output.teacher,
        val=VAL,
        classes=CLASSES,
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
        expect=adopted_expectation,
    script:
        "../workflow/scripts/adopt_teacher.py"


rule measure_raw_teacher:
    input:
        teacher=DATA / "teachers" / "{teacher}",
        val=VAL,
        classes=CLASSES,
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
    script:
        "../workflow/scripts/measure_raw_teacher.py"
