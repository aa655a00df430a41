"""Look-ups of distil.smk: what a set is generated, chosen, refined or selected from."""


def chosen_starts(wildcards):
    """The starts that a method samples from: shared with every method that draws them alike; none for noise."""
    if plan.start_of(wildcards.method) is None:
        return {}
    owner = plan.start_owner(wildcards.method)
    return {"starts": path_of(rules.choose_starts.output.starts, method=owner, number=wildcards.number)}


def guiding_representatives(wildcards):
    """The representatives that sampling is drawn towards, with the latents that they stand for; none without a guide."""
    if plan.generate_of(wildcards.method).guide is None:
        return {}
    return {
        "representatives": representatives_of(wildcards.method, wildcards.number, wildcards.shard),
        "latents": model_latents(wildcards),
    }


def sampling_settings(wildcards):
    return plan.sampling_of(wildcards.method)


def shard_class_indices(wildcards):
    return plan.shards[wildcards.shard]


def generated_by(wildcards):
    """Whose samples a set is made from, and how many a class: shared with every method that samples alike."""
    count = plan.count_of(wildcards.method, wildcards.ipc)
    return {"method": plan.generation_owner(wildcards.method), "number": count}


def shared_generated(wildcards):
    return path_of(rules.generate_images.output.images, **generated_by(wildcards), shard=wildcards.shard)


def generated_shards(wildcards, shards):
    return collect(rules.generate_images.output.images, **generated_by(wildcards), shard=shards)


def selecting_teacher(wildcards):
    """The teacher that chooses from a pool, or in whose features the choice is made; none for latents."""
    teachers = plan.teachers_of(wildcards.method)
    raw = collect(rules.measure_raw_teacher.output.quality, teacher=plan.raw_judges([wildcards.method]))
    return {"teacher": teacher_directory(*teachers), "measured": raw} if teachers else {}


def selection_settings(wildcards):
    return plan.selection_of(wildcards.method)


def pool_choices(wildcards, shards):
    """Which of a pool to go on with; empty when all of what was generated is wanted."""
    if wildcards.method not in plan.methods_that("choose_from_pool"):
        return []
    of_set = {"method": wildcards.method, "ipc": wildcards.ipc}
    return collect(rules.choose_from_pool.output.selection, **of_set, shard=shards)


def chosen_members(wildcards):
    """The choice of one shard."""
    return pool_choices(wildcards, wildcards.shard)


def refined_shards(wildcards, shards):
    of_set = {"method": wildcards.method, "ipc": wildcards.ipc}
    return collect(rules.refine_latents.output.images, **of_set, shard=shards)


def refinement_settings(wildcards):
    return plan.refine_of(wildcards.method).model_dump()


def selecting_features(wildcards):
    """Latents, or what a teacher sees, of the shard's training images."""
    space = plan.selection_space(wildcards.method)
    if "encoder" in space:
        return path_of(rules.encode_latents.output.latents, encoder=space["encoder"], shard=wildcards.shard)
    return path_of(rules.describe_images.output.features, teacher=space["teacher"], shard=wildcards.shard)


def set_side(wildcards):
    """Side in pixels of the images that a job makes for a set."""
    return plan.side_of(wildcards.method)


def image_fit(wildcards):
    """How real images that are selected become square."""
    return plan.config.methods[wildcards.method].fit


def set_parts(wildcards):
    """What a set is written from, real images or images that were made, and the models and teachers behind it."""
    of_set = {"method": wildcards.method, "ipc": wildcards.ipc}
    models = [DATA / "models" / name for name in plan.models_of(wildcards.method)]
    models += [teacher_directory(teacher) for teacher in sorted(plan.teachers_of(wildcards.method))]
    if plan.compose_of(wildcards.method):
        made = collect(rules.compose_mosaics.output.images, **of_set, shard=plan.shards)
        return {"images": made, "models": models}
    if plan.generate_of(wildcards.method):
        shards_of = refined_shards if plan.refine_of(wildcards.method) else generated_shards
        made, chosen = shards_of(wildcards, plan.shards), pool_choices(wildcards, plan.shards)
        return {"images": made, "models": models, "chosen": chosen}
    if plan.discovery_of(wildcards.method):
        shown = [representatives_of(wildcards.method, wildcards.ipc, shard) for shard in plan.shards]
        return {"selection": shown, "models": models}
    if wildcards.method in plan.methods_that("select_by_features"):
        selected = collect(rules.select_by_features.output.selection, **of_set, shard=plan.shards)
    else:
        selected = collect(rules.select_images.output.selection, **of_set)
    return {"selection": selected, "models": models}


def set_about(wildcards):
    """What provenance.json says of a set, apart from versions and model sources."""
    return plan.provenance_of(wildcards.method) | {
        "ipc": wildcards.ipc,
        "code": {script: code_of(script) for script in plan.makers_of(wildcards.method)},
    }


def copies_images(wildcards):
    return selection_settings(wildcards) != "all"
