"""What stands for each class: by density embedded, clustered, completed to every set size (CoDA), or found at once."""

from retort.plan.part_params import described


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


def discovery_part(wildcards):
    return described(plan.config.discoveries[wildcards.discovery])


def representatives_of(discovery, number, shard):
    """The table of a discovery's representatives, and the file that has their latents."""
    of_shard = {"discovery": discovery, "number": number, "shard": shard}
    if discovery in plan.discoveries_that("find_representatives"):
        found = rules.find_representatives.output
        return path_of(found.representatives, **of_shard), path_of(found.modes, **of_shard)
    encoder = plan.config.discoveries[discovery].encoder
    latents = path_of(rules.encode_latents.output.latents, encoder=encoder, shard=shard)
    return path_of(rules.choose_representatives.output.representatives, **of_shard), latents


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
    wildcard_constraints:
        discovery=one_of(plan.discoveries_that("choose_representatives")),
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


rule find_representatives:
    input:
        latents=discovery_latents,
        manifest=rules.build_manifest.output.manifest,
        class_table=CLASSES,
    output:
        representatives=DATA / "representatives" / "{discovery}" / "n{number}" / "{shard}.csv",
        modes=DATA / "representatives" / "{discovery}" / "n{number}" / "{shard}.safetensors",
    log:
        LOGS / "find_representatives" / "{discovery}" / "n{number}" / "{shard}.log",
    benchmark:
        BENCHMARKS / "find_representatives" / "{discovery}" / "n{number}" / "{shard}.tsv"
    wildcard_constraints:
        discovery=one_of(plan.discoveries_that("find_representatives")),
    priority: LONG_CHAIN
    resources:
        mem_mb=memory(8),
        runtime=minutes(15, per_class=2),
    params:
        code=code_of("find_representatives"),
        dataset=plan.dataset.name,
        seed=plan.seed,
        discovery=discovery_part,
        class_indices=shard_class_indices,
    script:
        "../workflow/run.py"
