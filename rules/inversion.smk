"""DDIM inversion to class statistics, and the starts that are drawn from them (D3HR)."""


def inversion_latents(wildcards):
    """The shard's latents, by the encoder of the inversion's model."""
    encoder = plan.encoder_of(model_of(wildcards))
    return collect(rules.encode_latents.output.latents, encoder=encoder, shard=wildcards.shard)


def inversion_settings(wildcards):
    return plan.config.inversions[wildcards.inversion].model_dump(include={"steps", "stop", "guidance"})


def start_inversions(wildcards):
    """All shards of the inversion that a method starts from."""
    return collect(
        rules.invert_latents.output.statistics,
        inversion=plan.start_of(wildcards.method).inversion,
        shard=plan.shards,
    )


def start_settings(wildcards):
    return plan.start_of(wildcards.method).model_dump(include={"search", "groups", "skew_weight"})


rule invert_latents:
    input:
        latents=inversion_latents,
        model=model_directory,
        encoder=encoder_directory,
        classes=CLASSES,
    output:
        statistics=DATA / "inversion" / "{inversion}" / "{shard}.safetensors",
    log:
        LOGS / "invert_latents" / "{inversion}" / "{shard}.log",
    benchmark:
        BENCHMARKS / "invert_latents" / "{inversion}" / "{shard}.tsv"
    params:
        code=code_of("invert_latents"),
        classes=shard_class_ids,
        model=model_settings,
        codec=codec_settings,
        inversion=inversion_settings,
    resources:
        batch=128,
    script:
        "../workflow/scripts/invert_latents.py"


rule choose_starts:
    input:
        inversions=start_inversions,
    output:
        starts=DATA / "starts" / "{method}" / "ipc{ipc}.safetensors",
    log:
        LOGS / "choose_starts" / "{method}" / "ipc{ipc}.log",
    benchmark:
        BENCHMARKS / "choose_starts" / "{method}" / "ipc{ipc}.tsv"
    params:
        code=code_of("choose_starts"),
        dataset=plan.dataset.name,
        seed=plan.seed,
        start=start_settings,
    script:
        "../workflow/scripts/choose_starts.py"
