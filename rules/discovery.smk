"""Representative real images of each class by density: embedded, clustered, completed to every set size (CoDA)."""


def discovery_latents(wildcards):
    """The shard's latents, by the encoder of the discovery."""
    encoder = plan.config.discoveries[wildcards.discovery].encoder
    return path_of(rules.encode_latents.output.latents, encoder=encoder, shard=wildcards.shard)


def umap_settings(wildcards):
    return plan.config.discoveries[wildcards.discovery].umap.model_dump()


def hdbscan_settings(wildcards):
    return plan.config.discoveries[wildcards.discovery].hdbscan.model_dump()


def shared_embedding(wildcards):
    """The embedding, shared with every discovery that embeds alike."""
    owner = plan.embedding_owner(wildcards.discovery)
    return path_of(rules.embed_classes.output.embedding, discovery=owner, shard=wildcards.shard)


def representatives_of(method, number, shard):
    """The representatives that guide a method, or are its images."""
    of_shard = {"discovery": plan.discovery_of(method), "number": number, "shard": shard}
    return path_of(rules.choose_representatives.output.representatives, **of_shard)


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
        class_ids=shard_class_ids,
        arguments=umap_settings,
    script:
        "../workflow/run.py"


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
        class_ids=shard_class_ids,
        arguments=hdbscan_settings,
    script:
        "../workflow/run.py"


rule choose_representatives:
    input:
        clusters=rules.cluster_classes.output.clusters,
        manifest=rules.build_manifest.output.manifest,
        class_table=CLASSES,
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
        class_indices=shard_class_indices,
        arguments=hdbscan_settings,
    script:
        "../workflow/run.py"
