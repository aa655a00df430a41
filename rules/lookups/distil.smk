"""Look-ups of distil.smk: what a set is sampled or selected from."""


def chosen_starts(wildcards):
    """The starts that a method samples from: shared with every method that draws them alike; none for noise."""
    if plan.start_of(wildcards.method) is None:
        return {}
    owner = plan.start_owner(wildcards.method)
    return {"starts": path_of(rules.choose_starts.output.starts, method=owner, ipc=wildcards.ipc)}


def sampling_settings(wildcards):
    return plan.sampling_of(wildcards.method)


def shard_class_indices(wildcards):
    return plan.shards[wildcards.shard]


def selection_kind(wildcards):
    return plan.config.methods[wildcards.method].select


def set_parts(wildcards):
    """What a distilled set is written from: a selection of real images, or generated shards and their models."""
    if selection_kind(wildcards):
        return {"selection": path_of(rules.select_images.output.selection, **wildcards)}
    generated = collect(rules.generate_images.output.images, shard=plan.shards, **wildcards)
    return {"generated": generated, "models": [model_directory(wildcards), encoder_directory(wildcards)]}


def set_about(wildcards):
    """What provenance.json says of a set, apart from versions and model sources."""
    made_by = "select_images" if selection_kind(wildcards) else "generate_images"
    return plan.provenance_of(wildcards.method) | {"ipc": wildcards.ipc, "code": {made_by: code_of(made_by)}}


def copies_images(wildcards):
    return selection_kind(wildcards) != "all"
