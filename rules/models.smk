"""Models that are trained or made here; each measured before it is used. Those from elsewhere stand in fetch.smk."""


def vae_training(wildcards):
    """How an encoder is trained here."""
    return plan.config.models[wildcards.model].train.model_dump(mode="json")


def dit_training(wildcards):
    """How a DiT is trained here, and for which convention."""
    model = plan.config.models[wildcards.model]
    return model.train.model_dump(mode="json", exclude={"from_"}) | model.model_dump(include={"timestep_embedding"})


def starting_model(wildcards):
    """The model whose weights a training starts from; none where it starts from nothing."""
    start = plan.checkpoint_of(wildcards.model)
    return {"start": path_of(rules.fetch_model.output.model, model=start)} if start else {}


def starting_classes(wildcards):
    """Whose classes that model knows."""
    start = plan.checkpoint_of(wildcards.model)
    return plan.config.models[start].classes if start else None


def encoder_latents(wildcards):
    """All latent shards of the encoder that a model works on."""
    return collect(rules.encode_latents.output.latents, encoder=plan.encoder_of(wildcards.model), shard=plan.shards)


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
    resources:
        gpu=1,
        mem_mb=memory(8),
        runtime=computing(work.train_vae),
    params:
        code=code_of("train_vae"),
        name="{model}",
        settings=vae_training,
        seed=plan.seed,
        checkpoint=str(CHECKPOINTS / "{model}.safetensors"),
    script:
        "../workflow/run.py"


rule measure_encoder:
    input:
        val=VAL,
        encoder=DATA / "models" / "{encoder}",
    output:
        quality=DATA / "reconstruction" / "{encoder}.json",
    log:
        LOGS / "measure_encoder" / "{encoder}.log",
    benchmark:
        BENCHMARKS / "measure_encoder" / "{encoder}.tsv"
    wildcard_constraints:
        encoder=one_of(plan.model_names("vae", trained=False)),
    resources:
        gpu=1,
        mem_mb=memory(encoder_memory),
        runtime=computing(work.measure_encoder),
        run=of(plan.running_of, "encoder"),
    params:
        code=code_of("measure_encoder"),
        name="{encoder}",
        codec_settings=of(plan.codec_settings, "encoder"),
    script:
        "../workflow/run.py"


rule train_dit:
    input:
        unpack(starting_model),
        latents=encoder_latents,
        class_table=CLASSES,
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
    resources:
        gpu=1,
        mem_mb=memory(training_memory),
        runtime=computing(work.train_dit),
        micro_batch=0,
        recompute=0,
    params:
        code=code_of("train_dit"),
        name="{model}",
        settings=dit_training,
        start_classes=starting_classes,
        seed=plan.seed,
        checkpoint=str(CHECKPOINTS / "{model}.safetensors"),
    script:
        "../workflow/run.py"


rule memorise_latents:
    input:
        latents=encoder_latents,
        class_table=CLASSES,
    output:
        model=directory(DATA / "models" / "{model}"),
    log:
        LOGS / "memorise_latents" / "{model}.log",
    benchmark:
        BENCHMARKS / "memorise_latents" / "{model}.tsv"
    wildcard_constraints:
        model=one_of(plan.model_names("optimal")),
    priority: LONG_CHAIN
    resources:
        mem_mb=memory(8),
        runtime=minutes(60),
    params:
        code=code_of("memorise_latents"),
    script:
        "../workflow/run.py"


rule judge_model:
    input:
        unpack(refiner_directory),
        unpack(decoder_directory),
        model=DATA / "models" / "{model}",
        encoder=encoder_directory,
        teacher=DATA / "teachers" / "{teacher}",
        class_table=CLASSES,
    output:
        quality=DATA / "quality" / "{model}-by-{teacher}.json",
    log:
        LOGS / "judge_model" / "{model}-by-{teacher}.log",
    benchmark:
        BENCHMARKS / "judge_model" / "{model}-by-{teacher}.tsv"
    resources:
        gpu=1,
        mem_mb=memory(model_memory),
        runtime=computing(work.judge_model),
        batch=images_at_once(64),
        run=model_run,
    params:
        code=code_of("judge_model"),
        name="{model}",
        model_settings=model_settings,
        codec_settings=codec_settings,
        decoder_settings=decoder_settings,
        side=plan.dataset.resolution,
        dataset=plan.dataset.name,
        seed=plan.seed,
    script:
        "../workflow/run.py"
