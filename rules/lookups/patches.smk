"""Look-ups of patches.smk: what patches are scored by, clustered in and composed from."""


def typicality_settings(wildcards):
    return plan.config.typicalities[wildcards.typicality].model_dump(include={"draws", "low", "high"})


def typicality_maps(wildcards):
    """The maps of the typicality that a method scores by."""
    typicality = plan.typicality_of(wildcards.method)
    return path_of(rules.score_typicality.output.maps, typicality=typicality, shard=wildcards.shard)


def scoring_teacher(wildcards):
    return teacher_directory(plan.compose_of(wildcards.method).score.teacher)


def crop_settings(wildcards):
    compose = plan.compose_of(wildcards.method)
    return compose.score.model_dump(include={"images", "crops", "area"}) | {"grid": compose.grid}


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
    space = plan.feature_space(wildcards.method)
    if "encoder" in space:
        return {"encoder": DATA / "models" / space["encoder"]}
    return {"teacher": teacher_directory(space["teacher"])}


def clustering_settings(wildcards):
    space = plan.feature_space(wildcards.method)
    return plan.codec_settings(space["encoder"]) if "encoder" in space else {"side": plan.dataset.resolution}


def clustering_run(wildcards):
    """How the encoder is run; a teacher has no such settings."""
    space = plan.feature_space(wildcards.method)
    return plan.running_of(space["encoder"]) if "encoder" in space else "auto"


def cluster_count(wildcards):
    return plan.compose_of(wildcards.method).rank.clusters


def ranked_path(method, shard):
    """The patches in the order in which they fill images: as scored, or ranked for diversity."""
    if plan.compose_of(method).rank == "score":
        return scored_path(method, shard)
    return path_of(rules.rank_patches.output.patches, method=plan.rank_owner(method), shard=shard)


def ranked_patches(wildcards):
    return ranked_path(wildcards.method, wildcards.shard)


def composition_settings(wildcards):
    return plan.compose_of(wildcards.method).model_dump(include={"grid", "fill", "rounding"})
