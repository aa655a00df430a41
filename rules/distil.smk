"""Distilled sets: images sampled or selected, written so that others can load them."""


def chosen_starts(wildcards):
    """The starts that a method samples from: shared with every method that draws them alike; none for noise."""
    if plan.start_of(wildcards.method) is None:
        return {}
    owner = plan.start_owner(wildcards.method)
    return {"starts": collect(rules.choose_starts.output.starts, method=owner, ipc=wildcards.ipc)[0]}


def sampling_settings(wildcards):
    return plan.sampling_of(wildcards.method)


def shard_class_indices(wildcards):
    return plan.shards[wildcards.shard]


def selection_kind(wildcards):
    return plan.config.methods[wildcards.method].select


def set_parts(wildcards):
    """What a distilled set is written from: a selection of real images, or generated shards and their models."""
    if selection_kind(wildcards):
        return {"selection": collect(rules.select_images.output.selection, **wildcards)[0]}
    generated = collect(rules.generate_images.output.images, shard=plan.shards, **wildcards)
    return {"generated": generated, "models": [model_directory(wildcards), encoder_directory(wildcards)]}


def set_about(wildcards):
    """What provenance.json says of a set, apart from versions and model sources."""
    return plan.provenance_of(wildcards.method) | {"ipc": wildcards.ipc, "code": code_of("generate_images")}


def copies_images(wildcards):
    return selection_kind(wildcards) != "all"


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
    params:
        code=code_of("generate_images"),
        dataset=plan.dataset.name,
        seed=plan.seed,
        side=plan.dataset.resolution,
        classes=shard_class_indices,
        model=model_settings,
        codec=codec_settings,
        sampling=sampling_settings,
    resources:
        batch=16,
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
    params:
        code=code_of("write_set"),
        copy_images=copies_images,
        about=set_about,
    script:
        "../workflow/scripts/write_set.py"
