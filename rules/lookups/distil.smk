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
    encoder = plan.encoder_of(model_of(wildcards))
    return {
        "representatives": representatives_of(wildcards.method, wildcards.number),
        "latents": path_of(rules.encode_latents.output.latents, encoder=encoder, shard=wildcards.shard),
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


def all_generated(wildcards):
    return collect(rules.generate_images.output.images, **generated_by(wildcards), shard=plan.shards)


def selecting_teacher(wildcards):
    """The teacher that chooses from a pool, or in whose features the choice is made; none for latents."""
    teachers = plan.teachers_of(wildcards.method)
    return {"teacher": teacher_directory(*teachers)} if teachers else {}


def selection_settings(wildcards):
    return plan.selection_of(wildcards.method)


def chosen_members(wildcards):
    """Which of a pool to go on with; all of what was generated when there is no pool."""
    of_set = {"method": wildcards.method, "ipc": wildcards.ipc}
    pooled = wildcards.method in plan.methods_that("choose_from_pool")
    return {"chosen": path_of(rules.choose_from_pool.output.selection, **of_set)} if pooled else {}


def refinement_settings(wildcards):
    return plan.refine_of(wildcards.method).model_dump()


def selecting_features(wildcards):
    """Latents, or what a teacher sees, of every training image."""
    return space_shards(plan.selection_space(wildcards.method))


def selecting_shards(wildcards):
    """The shard of each class, in label order."""
    shards = space_shards(plan.selection_space(wildcards.method))
    return [str(path) for path, labels in zip(shards, plan.shards.values()) for _ in labels]


def set_parts(wildcards):
    """What a set is written from: a selection of real images, or shards of images that were made."""
    method, ipc = wildcards.method, wildcards.ipc
    of_set = {"method": method, "ipc": ipc}
    if plan.compose_of(method):
        return {"images": collect(rules.compose_mosaics.output.images, **of_set, shard=plan.shards)}
    if plan.generate_of(method):
        refined = collect(rules.refine_latents.output.images, **of_set, shard=plan.shards)
        return {
            "images": refined if plan.refine_of(method) else all_generated(wildcards),
            "models": [model_directory(wildcards), encoder_directory(wildcards)],
            **chosen_members(wildcards),
        }
    if plan.discovery_of(method):
        return {"selection": representatives_of(method, ipc)}
    return {"selection": path_of(DATA / "selected" / "{method}" / "ipc{ipc}.csv", **of_set)}


def set_about(wildcards):
    """What provenance.json says of a set, apart from versions and model sources."""
    return plan.provenance_of(wildcards.method) | {
        "ipc": wildcards.ipc,
        "code": {script: code_of(script) for script in plan.makers_of(wildcards.method)},
    }


def copies_images(wildcards):
    return selection_settings(wildcards) != "all"
