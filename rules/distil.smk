"""Distilled sets: images sampled or selected, written so that others can load them."""


rule generate_images:
    input:
        unpack(chosen_starts),
        model=model_directory,
        encoder=encoder_directory,
        classes=CLASSES,
    output:
        images=DATA / "generated" / "{method}" / "ipc{ipc}" / "{shard}.safetensors",
    log:
        LOGS / "generate_images" / "{method}" / "ipc{ipc}" / "{shard}.log",
    benchmark:
        BENCHMARKS / "generate_images" / "{method}" / "ipc{ipc}" / "{shard}.tsv"
    priority: LONG_CHAIN
    conda:
        "../envs/retort.yaml"
    resources:
        batch=16,
    params:
        code=code_of("generate_images"),
        dataset=plan.dataset.name,
        seed=plan.seed,
        side=plan.dataset.resolution,
        classes=shard_class_indices,
        model=model_settings,
        codec=codec_settings,
        sampling=sampling_settings,
    script:
        "../workflow/scripts/generate_images.py"


rule select_images:
    input:
        manifest=rules.build_manifest.output.manifest,
        classes=CLASSES,
    output:
        selection=DATA / "selected" / "{method}" / "ipc{ipc}.csv",
    log:
        LOGS / "select_images" / "{method}" / "ipc{ipc}.log",
    benchmark:
        BENCHMARKS / "select_images" / "{method}" / "ipc{ipc}.tsv"
    conda:
        "../envs/retort.yaml"
    params:
        code=code_of("select_images"),
        dataset=plan.dataset.name,
        seed=plan.seed,
        select=selection_kind,
    script:
        "../workflow/scripts/select_images.py"


rule write_set:
    input:
        unpack(set_parts),
        train=TRAIN,
        classes=CLASSES,
    output:
        distilled=directory(DISTILLED),
    log:
        LOGS / "write_set" / "{method}" / "ipc{ipc}.log",
    benchmark:
        BENCHMARKS / "write_set" / "{method}" / "ipc{ipc}.tsv"
    conda:
        "../envs/retort.yaml"
    params:
        code=code_of("write_set"),
        copy_images=copies_images,
        about=set_about,
    script:
        "../workflow/scripts/write_set.py"
