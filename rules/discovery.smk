"""Representative real images of each class by density: embedded, clustered, completed to every set size (CoDA)."""


rule embed_classes:
    input:
        latents=discovery_latents,
    output:
        embedding=DATA / "embeddings" / "{discovery}" / "{shard}.safetensors",
    log:
        LOGS / "embed_classes" / "{discovery}" / "{shard}.log",
    benchmark:
        BENCHMARKS / "embed_classes" / "{discovery}" / "{shard}.tsv"
    priority: LONG_CHAIN
    resources:
        mem_mb=memory(12),
        runtime=minutes(30, per_class=5),
    params:
        code=code_of("embed_classes"),
        dataset=plan.dataset.name,
        seed=plan.seed,
        classes=shard_class_ids,
        umap=umap_settings,
    script:
        "../workflow/scripts/embed_classes.py"


rule cluster_classes:
    input:
        embedding=shared_embedding,
    output:
        clusters=DATA / "discovery" / "{discovery}" / "{shard}.safetensors",
        listing=DATA / "discovery" / "{discovery}" / "{shard}.csv",
    log:
        LOGS / "cluster_classes" / "{discovery}" / "{shard}.log",
    benchmark:
        BENCHMARKS / "cluster_classes" / "{discovery}" / "{shard}.tsv"
    priority: LONG_CHAIN
    resources:
        mem_mb=memory(4),
        runtime=minutes(15, per_class=0.5),
    params:
        code=code_of("cluster_classes"),
        classes=shard_class_ids,
        hdbscan=hdbscan_settings,
    script:
        "../workflow/scripts/cluster_classes.py"


rule choose_representatives:
    input:
        clusters=rules.cluster_classes.output.clusters,
        manifest=rules.build_manifest.output.manifest,
        classes=CLASSES,
    output:
        representatives=DATA / "representatives" / "{discovery}" / "n{number}" / "{shard}.csv",
    log:
        LOGS / "choose_representatives" / "{discovery}" / "n{number}" / "{shard}.log",
    benchmark:
        BENCHMARKS / "choose_representatives" / "{discovery}" / "n{number}" / "{shard}.tsv"
    priority: LONG_CHAIN
    resources:
        mem_mb=memory(4),
        runtime=minutes(15, per_class=0.5),
    params:
        code=code_of("choose_representatives"),
        dataset=plan.dataset.name,
        seed=plan.seed,
        classes=shard_class_indices,
        hdbscan=hdbscan_settings,
    script:
        "../workflow/scripts/choose_representatives.py"
