"""Models that are trained here; each measured before it is used. Those from elsewhere stand in fetch.smk."""


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
        settings=vae_training,
        seed=plan.seed,
        checkpoint=str(CHECKPOINTS / "{model}.safetensors"),
    script:
        "../workflow/scripts/train_vae.py"


rule train_dit:
    input:
        unpack(starting_model),
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
    resources:
        gpu=1,
        mem_mb=memory(training_memory),
        runtime=computing(work.train_dit),
        micro_batch=0,
        recompute=0,
    params:
        code=code_of("train_dit"),
        settings=dit_training,
        start_classes=starting_classes,
        seed=plan.seed,
        checkpoint=str(CHECKPOINTS / "{model}.safetensors"),
    script:
        "../workflow/scripts/train_dit.py"


rule judge_model:
    input:
        unpack(refiner_directory),
        unpack(decoder_directory),
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
    resources:
        gpu=1,
        mem_mb=memory(model_memory),
        runtime=computing(work.judge_model),
        batch=images_at_once(64),
        run=model_run,
    params:
        code=code_of("judge_model"),
        model=model_settings,
        codec=codec_settings,
        decoder=decoder_settings,
        side=plan.dataset.resolution,
        dataset=plan.dataset.name,
        seed=plan.seed,
    script:
        "../workflow/scripts/judge_model.py"
