"""Distilled sets: images generated, chosen, refined or selected, written so that others can load them."""


rule generate_images:
    input:
        unpack(chosen_starts),
        unpack(guiding_representatives),
        unpack(refiner_directory),
        unpack(decoder_directory),
        model=model_directory,
        encoder=encoder_directory,
        classes=CLASSES,
    output:
        images=DATA / "generated" / "{method}" / "n{number}" / "{shard}.safetensors",
    log:
        LOGS / "generate_images" / "{method}" / "n{number}" / "{shard}.log",
    benchmark:
        BENCHMARKS / "generate_images" / "{method}" / "n{number}" / "{shard}.tsv"
    priority: LONG_CHAIN
    resources:
        gpu=1,
        mem_mb=memory(model_memory),
        runtime=computing(work.generate_images),
        batch=16,
        run=model_run,
    params:
        code=code_of("generate_images"),
        dataset=plan.dataset.name,
        seed=plan.seed,
        side=set_side,
        classes=shard_class_indices,
        model=model_settings,
        codec=codec_settings,
        decoder=decoder_settings,
        sampling=sampling_settings,
        checkpoint=str(CHECKPOINTS / "generated" / "{method}" / "n{number}" / "{shard}"),
    script:
        "../workflow/scripts/generate_images.py"


rule choose_from_pool:
    input:
        unpack(selecting_teacher),
        pool=shared_generated,
        classes=CLASSES,
    output:
        selection=DATA / "selected" / "{method}" / "ipc{ipc}" / "{shard}.csv",
    log:
        LOGS / "choose_from_pool" / "{method}" / "ipc{ipc}" / "{shard}.log",
    benchmark:
        BENCHMARKS / "choose_from_pool" / "{method}" / "ipc{ipc}" / "{shard}.tsv"
    wildcard_constraints:
        method=one_of(plan.methods_that("choose_from_pool")),
    priority: LONG_CHAIN
    resources:
        gpu=1,
        mem_mb=memory(8),
        runtime=computing(work.choose_from_pool),
    params:
        code=code_of("choose_from_pool"),
        dataset=plan.dataset.name,
        seed=plan.seed,
        select=selection_settings,
    script:
        "../workflow/scripts/choose_from_pool.py"


rule refine_latents:
    input:
        unpack(refiner_directory),
        unpack(decoder_directory),
        images=shared_generated,
        chosen=chosen_members,
        model=model_directory,
        encoder=encoder_directory,
        classes=CLASSES,
    output:
        images=DATA / "refined" / "{method}" / "ipc{ipc}" / "{shard}.safetensors",
    log:
        LOGS / "refine_latents" / "{method}" / "ipc{ipc}" / "{shard}.log",
    benchmark:
        BENCHMARKS / "refine_latents" / "{method}" / "ipc{ipc}" / "{shard}.tsv"
    wildcard_constraints:
        method=one_of(plan.methods_that("refine_latents")),
    priority: LONG_CHAIN
    resources:
        gpu=1,
        mem_mb=memory(model_memory),
        runtime=computing(work.refine_latents),
        batch=images_at_once(16),
        run=model_run,
    params:
        code=code_of("refine_latents"),
        dataset=plan.dataset.name,
        seed=plan.seed,
        side=set_side,
        classes=shard_class_indices,
        model=model_settings,
        codec=codec_settings,
        decoder=decoder_settings,
        refinement=refinement_settings,
    script:
        "../workflow/scripts/refine_latents.py"


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
    wildcard_constraints:
        method=one_of(plan.methods_that("select_images")),
    resources:
        mem_mb=memory(4),
        runtime=minutes(30),
    params:
        code=code_of("select_images"),
        dataset=plan.dataset.name,
        seed=plan.seed,
        select=selection_settings,
    script:
        "../workflow/scripts/select_images.py"


rule select_by_features:
    input:
        features=selecting_features,
        manifest=rules.build_manifest.output.manifest,
        classes=CLASSES,
    output:
        selection=DATA / "selected" / "{method}" / "ipc{ipc}" / "{shard}.csv",
    log:
        LOGS / "select_by_features" / "{method}" / "ipc{ipc}" / "{shard}.log",
    benchmark:
        BENCHMARKS / "select_by_features" / "{method}" / "ipc{ipc}" / "{shard}.tsv"
    wildcard_constraints:
        method=one_of(plan.methods_that("select_by_features")),
    resources:
        mem_mb=memory(8),
        runtime=minutes(15, per_class=0.5),
    params:
        code=code_of("select_by_features"),
        dataset=plan.dataset.name,
        seed=plan.seed,
        select=selection_settings,
        classes=shard_class_indices,
    script:
        "../workflow/scripts/select_by_features.py"


rule write_set:
    input:
        unpack(set_parts),
        manifest=rules.build_manifest.output.manifest,
        classes=CLASSES,
    output:
        distilled=directory(DISTILLED),
    log:
        LOGS / "write_set" / "{method}" / "ipc{ipc}.log",
    benchmark:
        BENCHMARKS / "write_set" / "{method}" / "ipc{ipc}.tsv"
    threads: READERS
    resources:
        mem_mb=memory(8),
        runtime=minutes(120),
    params:
        code=code_of("write_set"),
        side=set_side,
        fit=image_fit,
        copy_images=copies_images,
        store=plan.config.sets.store,
        about=set_about,
    script:
        "../workflow/scripts/write_set.py"
