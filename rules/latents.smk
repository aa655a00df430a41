"""What encoders and teachers make of all training images, a shard of classes at a time."""


def encoder_posterior(wildcards):
    return plan.config.models[wildcards.encoder].posterior


def posterior_seed(wildcards):
    """The seed, where latents are drawn."""
    return plan.seed if encoder_posterior(wildcards) == "sample" else None


def encoder_store(wildcards):
    return plan.config.models[wildcards.encoder].store


def encoder_fit(wildcards):
    """How an image becomes square before it is encoded."""
    vae = plan.config.models[wildcards.encoder]
    return {"way": vae.fit, "filter": vae.filter}


def model_latents(wildcards):
    """The shard's latents, by the encoder of the job's model."""
    encoder = plan.encoder_of(model_of(wildcards))
    return path_of(rules.encode_latents.output.latents, encoder=encoder, shard=wildcards.shard)


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
        run=of(plan.running_of, "encoder"),
    params:
        code=code_of("encode_latents"),
        dataset=plan.dataset.name,
        seed=posterior_seed,
        class_ids=shard_class_ids,
        codec_settings=of(plan.codec_settings, "encoder"),
        posterior=encoder_posterior,
        store=encoder_store,
        fit=encoder_fit,
    script:
        "../workflow/run.py"


rule describe_images:
    input:
        manifest=rules.build_manifest.output.manifest,
        class_table=CLASSES,
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
        class_indices=shard_class_indices,
    script:
        "../workflow/run.py"
