"""Look-ups of latents.smk: how an encoder runs."""


def encoder_posterior(wildcards):
    return plan.config.models[wildcards.encoder].posterior


def encoder_settings(wildcards):
    return plan.codec_settings(wildcards.encoder)


def space_input(space):
    """The encoder or the teacher of a feature space, as a job's input."""
    if "encoder" in space:
        return {"encoder": DATA / "models" / space["encoder"]}
    return {"teacher": teacher_directory(space["teacher"])}


def space_shards(space):
    """What the encoder or the teacher makes of every training image, a file a shard."""
    if "encoder" in space:
        return collect(rules.encode_latents.output.latents, encoder=space["encoder"], shard=plan.shards)
    return collect(rules.describe_images.output.features, teacher=space["teacher"], shard=plan.shards)
