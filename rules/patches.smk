"""Patches of real images: scored, ranked, and composed to images (RDED, DDPS)."""


rule score_typicality:
    input:
        unpack(refiner_directory),
        latents=model_latents,
        model=model_directory,
        encoder=encoder_directory,
        classes=CLASSES,
    output:
        maps=DATA / "typicality" / "{typicality}" / "{shard}.safetensors",
    log:
        LOGS / "score_typicality" / "{typicality}" / "{shard}.log",
    benchmark:
        BENCHMARKS / "score_typicality" / "{typicality}" / "{shard}.tsv"
    priority: LONG_CHAIN
    resources:
        gpu=1,
        mem_mb=memory(model_memory),
        runtime=computing(work.score_typicality),
        batch=64,
        run=model_run,
    params:
        code=code_of("score_typicality"),
        dataset=plan.dataset.name,
        seed=plan.seed,
        classes=shard_class_ids,
        model=model_settings,
        codec=codec_settings,
        typicality=typicality_settings,
        checkpoint=str(CHECKPOINTS / "typicality" / "{typicality}" / "{shard}"),
    script:
        "../workflow/scripts/score_typicality.py"


rule score_crops:
    input:
        manifest=rules.build_manifest.output.manifest,
        classes=CLASSES,
        teacher=scoring_teacher,
    output:
        patches=DATA / "patches" / "{method}" / "{shard}.csv",
    log:
        LOGS / "score_crops" / "{method}" / "{shard}.log",
    benchmark:
        BENCHMARKS / "score_crops" / "{method}" / "{shard}.tsv"
    wildcard_constraints:
        method=one_of(plan.methods_that("score_crops")),
    threads: READERS
    resources:
        gpu=1,
        mem_mb=memory(8),
        runtime=computing(work.score_crops),
    params:
        code=code_of("score_crops"),
        dataset=plan.dataset.name,
        seed=plan.seed,
        side=plan.dataset.resolution,
        classes=shard_class_ids,
        score=crop_settings,
    script:
        "../workflow/scripts/score_crops.py"


rule score_windows:
    input:
        maps=typicality_maps,
        manifest=rules.build_manifest.output.manifest,
    output:
        patches=DATA / "patches" / "{method}" / "{shard}.csv",
    log:
        LOGS / "score_windows" / "{method}" / "{shard}.log",
    benchmark:
        BENCHMARKS / "score_windows" / "{method}" / "{shard}.tsv"
    wildcard_constraints:
        method=one_of(plan.methods_that("score_windows")),
    priority: LONG_CHAIN
    resources:
        mem_mb=memory(4),
        runtime=minutes(15, per_class=0.5),
    params:
        code=code_of("score_windows"),
        classes=shard_class_ids,
        score=window_settings,
    script:
        "../workflow/scripts/score_windows.py"


rule rank_patches:
    input:
        unpack(clustering_space),
        scored=shared_scores,
        manifest=rules.build_manifest.output.manifest,
        classes=CLASSES,
    output:
        patches=DATA / "ranked" / "{method}" / "{shard}.csv",
    log:
        LOGS / "rank_patches" / "{method}" / "{shard}.log",
    benchmark:
        BENCHMARKS / "rank_patches" / "{method}" / "{shard}.tsv"
    wildcard_constraints:
        method=one_of(plan.methods_that("rank_patches")),
    priority: LONG_CHAIN
    threads: 2
    resources:
        gpu=1,
        mem_mb=memory(8),
        runtime=computing(work.rank_patches),
        batch=64,
        run=clustering_run,
    params:
        code=code_of("rank_patches"),
        dataset=plan.dataset.name,
        seed=plan.seed,
        classes=shard_class_ids,
        space=clustering_settings,
        clusters=cluster_count,
    script:
        "../workflow/scripts/rank_patches.py"


rule compose_mosaics:
    input:
        patches=ranked_patches,
        manifest=rules.build_manifest.output.manifest,
        classes=CLASSES,
    output:
        images=DATA / "composed" / "{method}" / "ipc{ipc}" / "{shard}.safetensors",
    log:
        LOGS / "compose_mosaics" / "{method}" / "ipc{ipc}" / "{shard}.log",
    benchmark:
        BENCHMARKS / "compose_mosaics" / "{method}" / "ipc{ipc}" / "{shard}.tsv"
    wildcard_constraints:
        method=one_of(plan.methods_that("compose_mosaics")),
    priority: LONG_CHAIN
    threads: 2
    resources:
        mem_mb=memory(8),
        runtime=minutes(60),
    params:
        code=code_of("compose_mosaics"),
        side=set_side,
        classes=shard_class_indices,
        composition=composition_settings,
    script:
        "../workflow/scripts/compose_mosaics.py"
