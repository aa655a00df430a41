"""Models: fetched once, or trained here; each measured before it is used."""


rule fetch_model:
    output:
        model=directory(DATA / "models" / "{model}"),
    log:
        LOGS / "fetch_model" / "{model}.log",
    benchmark:
        BENCHMARKS / "fetch_model" / "{model}.tsv"
    wildcard_constraints:
        model=one_of(plan.model_names(trained=False)),
    conda:
        "../envs/retort.yaml"
    params:
        code=code_of("fetch_model"),
        origin=model_origin,
    script:
        "../workflow/scripts/fetch_model.py"


rule train_vae:
    input:
        train=TRAIN,
        val=VAL,
    output:
        model=directory(DATA / "models" / "{model}"),
    log:
        LOGS / "train_vae" / "{model}.log",
    benchmark:
        BENCHMARKS / "train_vae" / "{model}.tsv"
    wildcard_constraints:
        model=one_of(plan.model_names("vae", trained=True)),
    priority: LONG_CHAIN
    conda:
        "../envs/retort.yaml"
    params:
        code=code_of("train_vae"),
        settings=model_training,
        seed=plan.seed,
        checkpoint=str(CHECKPOINTS / "{model}.safetensors"),
    script:
        "../workflow/scripts/train_vae.py"


rule train_dit:
    input:
        latents=encoder_latents,
        classes=CLASSES,
        vae=encoder_directory,
    output:
        model=directory(DATA / "models" / "{model}"),
    log:
        LOGS / "train_dit" / "{model}.log",
    benchmark:
        BENCHMARKS / "train_dit" / "{model}.tsv"
    wildcard_constraints:
        model=one_of(plan.model_names("dit", trained=True)),
    priority: LONG_CHAIN
    conda:
        "../envs/retort.yaml"
    params:
        code=code_of("train_dit"),
        settings=model_training,
        seed=plan.seed,
        checkpoint=str(CHECKPOINTS / "{model}.safetensors"),
    script:
        "../workflow/scripts/train_dit.py"


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
    conda:
        "../envs/retort.yaml"
    params:
        code=code_of("train_teacher"),
        teacher=teacher_settings,
        settings=teacher_training,
        seed=plan.seed,
        checkpoint=str(CHECKPOINTS / "teacher-{teacher}.safetensors"),
    script:
        "../workflow/scripts/train_teacher.py"


rule judge_model:
    input:
        model=DATA / "models" / "{model}",
        encoder=encoder_directory,
        teacher=DATA / "teachers" / "{teacher}",
        classes=CLASSES,
    output:
        quality=DATA / "quality" / "{model}-by-{teacher}.json",
    log:
        LOGS / "judge_model" / "{model}-by-{teacher}.log",
    benchmark:
        BENCHMARKS / "judge_model" / "{model}-by-{teacher}.tsv"
    conda:
        "../envs/retort.yaml"
    resources:
        batch=64,
    params:
        code=code_of("judge_model"),
        model=model_settings,
        codec=codec_settings,
        side=plan.dataset.resolution,
        dataset=plan.dataset.name,
        seed=plan.seed,
    script:
        "../workflow/scripts/judge_model.py"
