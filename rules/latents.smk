"""What encoders and teachers make of all training images, a shard of classes at a time."""


rule encode_latents:
    input:
        manifest=rules.build_manifest.output.manifest,
        encoder=DATA / "models" / "{encoder}",
    output:
        latents=DATA / "latents" / "{encoder}" / "{shard}.safetensors",
    log:
        LOGS / "encode_latents" / "{encoder}" / "{shard}.log",
    benchmark:
        BENCHMARKS / "encode_latents" / "{encoder}" / "{shard}.tsv"
    priority: LONG_CHAIN
    threads: READERS
    resources:
        gpu=1,
        mem_mb=memory(encoder_memory),
        runtime=computing(work.encode_latents),
        batch=64,
        run=encoder_run,
    params:
        code=code_of("encode_latents"),
        dataset=plan.dataset.name,
        seed=posterior_seed,
        classes=shard_class_ids,
        codec=encoder_settings,
        posterior=encoder_posterior,
        store=encoder_store,
        fit=encoder_fit,
    script:
        "../workflow/scripts/encode_latents.py"


rule describe_images:
    input:
        manifest=rules.build_manifest.output.manifest,
        classes=CLASSES,
        teacher=DATA / "teachers" / "{teacher}",
    output:
        features=DATA / "features" / "{teacher}" / "{shard}.safetensors",
    log:
        LOGS / "describe_images" / "{teacher}" / "{shard}.log",
    benchmark:
        BENCHMARKS / "describe_images" / "{teacher}" / "{shard}.tsv"
    threads: READERS
    resources:
        gpu=1,
        mem_mb=memory(8),
        runtime=computing(work.describe_images),
    params:
        code=code_of("describe_images"),
        side=plan.dataset.resolution,
        classes=shard_class_indices,
    script:
        "../workflow/scripts/describe_images.py"
