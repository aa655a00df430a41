"""Models: fetched once, or trained here; each measured before it is used."""


def model_training(wildcards):
    """How a model is trained here."""
    return plan.config.models[wildcards.model].train.model_dump(mode="json")


def model_origin(wildcards):
    """Where a model is fetched from."""
    return plan.config.models[wildcards.model].model_dump(include={"kind", "source", "revision"})


def encoder_latents(wildcards):
    """All latent shards of the encoder that a model works on."""
    return collect(rules.encode_latents.output.latents, encoder=plan.encoder_of(wildcards.model), shard=plan.shards)


def teacher_settings(wildcards):
    return plan.config.teachers[wildcards.teacher].model_dump(include={"arch", "expect"})


def teacher_training(wildcards):
    return plan.config.teachers[wildcards.teacher].train.model_dump(mode="json")


rule fetch_model:
    output:
        model=directory(DATA / "models" / "{model}"),
    log:
        LOGS / "fetch_model" / "{model}.log",
    benchmark:
        BENCHMARKS / "fetch_model" / "{model}.tsv"
    params:
        code=code_of("fetch_model"),
        origin=model_origin,
    wildcard_constraints:
        model=one_of(plan.model_names(trained=False)),
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
    params:
        code=code_of("train_vae"),
        settings=model_training,
        seed=plan.seed,
        checkpoint=str(CHECKPOINTS / "{model}.safetensors"),
    wildcard_constraints:
        model=one_of(plan.model_names("vae", trained=True)),
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
    params:
        code=code_of("train_dit"),
        settings=model_training,
        seed=plan.seed,
        checkpoint=str(CHECKPOINTS / "{model}.safetensors"),
    wildcard_constraints:
        model=one_of(plan.model_names("dit", trained=True)),
    # Everything waits for the diffusion model, so it goes first where there is a choice.
    priority: 10
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
    params:
        code=code_of("judge_model"),
        model=model_settings,
        codec=codec_settings,
        seed=plan.seed,
    resources:
        batch=64,
    script:
        "../workflow/scripts/judge_model.py"
