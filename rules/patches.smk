"""Patches of real images: scored, ranked, and composed to images (RDED, DDPS)."""

from retort.plan.part_params import described


def typicality_settings(wildcards):
    return plan.config.typicalities[wildcards.typicality].model_dump(include={"draws", "low", "high"})


def typicality_maps(wildcards):
    """The maps of the typicality that a method scores by."""
    typicality = plan.typicality_of(wildcards.method)
    return path_of(rules.score_typicality.output.maps, typicality=typicality, shard=wildcards.shard)


def scoring_teacher(wildcards):
    return teacher_directory(plan.compose_of(wildcards.method).score.teacher)


def score_part(wildcards):
    return described(plan.compose_of(wildcards.method).score)


def patch_grid(wildcards):
    """In a table: beside the seed and the side, a third bare number could hide a change of another (docs/staleness.md)."""
    return {"grid": plan.compose_of(wildcards.method).grid}


def window_settings(wildcards):
    """How windows are cut, and the side in pixels of the squares that the maps are of."""
    model = plan.config.typicalities[plan.typicality_of(wildcards.method)].model
    score = plan.compose_of(wildcards.method).score.model_dump(include={"window", "per_image", "keep"})
    return score | {"resolution": plan.codec_settings(plan.encoder_of(model))["resolution"]}


def scored_path(method, shard):
    """The scored patches, shared with every method that scores alike."""
    return path_of(DATA / "patches" / "{method}" / "{shard}.csv", method=plan.score_owner(method), shard=shard)


def shared_scores(wildcards):
    return scored_path(wildcards.method, wildcards.shard)


def clustering_space(wildcards):
    """The encoder or the teacher in whose features patches are clustered."""
    space = plan.ranking_space(wildcards.method)
    if "encoder" in space:
        return {"encoder": DATA / "models" / space["encoder"]}
    return {"teacher": teacher_directory(space["teacher"])}


def clustering_settings(wildcards):
    space = plan.ranking_space(wildcards.method)
    return plan.codec_settings(space["encoder"]) if "encoder" in space else {"side": plan.dataset.resolution}


def clustering_run(wildcards):
    """How the encoder is run; a teacher has no such settings."""
    space = plan.ranking_space(wildcards.method)
    return plan.running_of(space["encoder"]) if "encoder" in space else "auto"


def ranking_part(wildcards):
    return described(plan.compose_of(wildcards.method).rank)


def ranked_path(method, shard):
    """The patches in the order in which they fill images: as scored, or ranked for diversity."""
    if method not in plan.methods_that("rank_patches"):
        return scored_path(method, shard)
    return path_of(rules.rank_patches.output.patches, method=plan.rank_owner(method), shard=shard)


def ranked_patches(wildcards):
    return ranked_path(wildcards.method, wildcards.shard)


def composition_settings(wildcards):
    return plan.compose_of(wildcards.method).model_dump(include={"grid", "fill", "rounding"})


rule score_typicality:
    input:
        unpack(refiner_directory),
        latents=model_latents,
        model=model_directory,
        encoder=encoder_directory,
        class_table=CLASSES,
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
        class_ids=shard_class_ids,
        model_settings=model_settings,
        codec_settings=codec_settings,
        arguments=typicality_settings,
        checkpoint=str(CHECKPOINTS / "typicality" / "{typicality}" / "{shard}"),
    script:
        "../workflow/run.py"


rule score_crops:
    input:
        manifest=rules.build_manifest.output.manifest,
        class_table=CLASSES,
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
        seed=own_seed,
        side=plan.dataset.resolution,
        class_ids=shard_class_ids,
        score=score_part,
        arguments=patch_grid,
    script:
        "../workflow/run.py"


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
        class_ids=shard_class_ids,
        arguments=window_settings,
    script:
        "../workflow/run.py"


rule rank_patches:
    input:
        unpack(clustering_space),
        scored=shared_scores,
        manifest=rules.build_manifest.output.manifest,
        class_table=CLASSES,
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
        seed=own_seed,
        class_ids=shard_class_ids,
        space=clustering_settings,
        rank=ranking_part,
    script:
        "../workflow/run.py"


rule compose_mosaics:
    input:
        patches=ranked_patches,
        manifest=rules.build_manifest.output.manifest,
        class_table=CLASSES,
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
        class_indices=shard_class_indices,
        arguments=composition_settings,
    script:
        "../workflow/run.py"
