"""DDIM inversion to class statistics, and the starts that are drawn from them (D3HR)."""


def inversion_settings(wildcards):
    return plan.config.inversions[wildcards.inversion].model_dump(include={"steps", "stop", "guidance"})


def start_inversions(wildcards):
    """All shards of the inversion that a method starts from."""
    return collect(
        rules.invert_latents.output.statistics,
        inversion=plan.inversion_of(wildcards.method),
        shard=plan.shards,
    )


def start_settings(wildcards):
    """How a start is searched for: without the number of groups where one is made to match."""
    start = plan.start_of(wildcards.method)
    unread = {} if start.search == "groups" else {"groups": None}
    return start.model_dump(include={"search", "groups", "skew_weight"}) | unread


rule invert_latents:
    input:
        unpack(refiner_directory),
        latents=model_latents,
        model=model_directory,
        encoder=encoder_directory,
        class_table=CLASSES,
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
        class_ids=shard_class_ids,
        model_settings=model_settings,
        codec_settings=codec_settings,
        arguments=inversion_settings,
        checkpoint=str(CHECKPOINTS / "inversion" / "{inversion}" / "{shard}"),
    script:
        "../workflow/run.py"


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
        seed=own_seed,
        arguments=start_settings,
    script:
        "../workflow/run.py"
