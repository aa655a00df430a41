"""Latents of all training images, a shard of classes at a time."""


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
    conda:
        "../envs/retort.yaml"
    resources:
        batch=64,
    params:
        code=code_of("encode_latents"),
        dataset=plan.dataset.name,
        seed=plan.seed,
        classes=shard_class_ids,
        codec=encoder_settings,
        posterior=encoder_posterior,
    script:
        "../workflow/scripts/encode_latents.py"
