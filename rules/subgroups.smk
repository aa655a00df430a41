"""A choice among groups of a pool for all classes together (S3): centroids shard by shard, then one job over all."""


def real_features(wildcards):
    """What the teacher of a selection sees in the shard's training images."""
    teacher = plan.selection_space(wildcards.method)["teacher"]
    return path_of(rules.describe_images.output.features, teacher=teacher, shard=wildcards.shard)


def group_settings(wildcards):
    """How many groups a pool is, and of how many images a real centroid is."""
    return plan.config.methods[wildcards.method].select.model_dump(include={"subgroups", "real_images"})


def centroids_of_groups(wildcards):
    of_set = {"method": wildcards.method, "ipc": wildcards.ipc}
    return collect(rules.describe_subgroups.output.centroids, **of_set, shard=plan.shards)


rule describe_subgroups:
    input:
        unpack(selecting_teacher),
        pool=shared_generated,
        features=real_features,
        manifest=rules.build_manifest.output.manifest,
        class_table=CLASSES,
    output:
        centroids=DATA / "subgroups" / "{method}" / "ipc{ipc}" / "{shard}.safetensors",
    log:
        LOGS / "describe_subgroups" / "{method}" / "ipc{ipc}" / "{shard}.log",
    benchmark:
        BENCHMARKS / "describe_subgroups" / "{method}" / "ipc{ipc}" / "{shard}.tsv"
    wildcard_constraints:
        method=one_of(plan.methods_that("describe_subgroups")),
    priority: LONG_CHAIN
    resources:
        gpu=1,
        mem_mb=memory(8),
        runtime=computing(work.describe_subgroups),
    params:
        code=code_of("describe_subgroups"),
        dataset=plan.dataset.name,
        seed=own_seed,
        class_indices=shard_class_indices,
        arguments=group_settings,
    script:
        "../workflow/run.py"


rule choose_subgroups:
    input:
        centroids=centroids_of_groups,
        class_table=CLASSES,
    output:
        selection=DATA / "selected" / "{method}" / "ipc{ipc}.csv",
    log:
        LOGS / "choose_subgroups" / "{method}" / "ipc{ipc}.log",
    benchmark:
        BENCHMARKS / "choose_subgroups" / "{method}" / "ipc{ipc}.tsv"
    wildcard_constraints:
        method=one_of(plan.methods_that("choose_subgroups")),
    priority: LONG_CHAIN
    resources:
        mem_mb=memory(4),
        runtime=minutes(60),
    params:
        code=code_of("choose_subgroups"),
        select=selection_part,
    script:
        "../workflow/run.py"
