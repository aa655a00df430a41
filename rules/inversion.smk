"""DDIM inversion to class statistics, and the starts that are drawn from them (D3HR)."""


rule invert_latents:
    input:
        unpack(refiner_directory),
        latents=model_latents,
        model=model_directory,
        encoder=encoder_directory,
        classes=CLASSES,
    output:
        statistics=DATA / "inversion" / "{inversion}" / "{shard}.safetensors",
    log:
        LOGS / "invert_latents" / "{inversion}" / "{shard}.log",
    benchmark:
        BENCHMARKS / "invert_latents" / "{inversion}" / "{shard}.tsv"
    priority: LONG_CHAIN
    resources:
        gpu=1,
        mem_mb=memory(model_memory),
        runtime=computing(work.invert_latents),
        batch=images_at_once(128),
        run=model_run,
    params:
        code=code_of("invert_latents"),
        classes=shard_class_ids,
        model=model_settings,
        codec=codec_settings,
        inversion=inversion_settings,
        checkpoint=str(CHECKPOINTS / "inversion" / "{inversion}" / "{shard}"),
    script:
        "../workflow/scripts/invert_latents.py"


rule choose_starts:
    input:
        inversions=start_inversions,
    output:
        starts=DATA / "starts" / "{method}" / "n{number}.safetensors",
    log:
        LOGS / "choose_starts" / "{method}" / "n{number}.log",
    benchmark:
        BENCHMARKS / "choose_starts" / "{method}" / "n{number}.tsv"
    priority: LONG_CHAIN
    resources:
        mem_mb=memory(16),
        runtime=minutes(120),
    params:
        code=code_of("choose_starts"),
        dataset=plan.dataset.name,
        seed=plan.seed,
        start=start_settings,
    script:
        "../workflow/scripts/choose_starts.py"
