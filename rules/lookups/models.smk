"""Look-ups of models.smk: what a model or teacher is made from."""


def model_training(wildcards):
    """How a model is trained here."""
    return plan.config.models[wildcards.model].train.model_dump(mode="json")


def model_origin(wildcards):
    """Where a model is fetched from."""
    return plan.config.models[wildcards.model].model_dump(include={"kind", "source", "revision"})


def encoder_latents(wildcards):
    """All latent shards of the encoder that a model works on."""
    return collect(rules.encode_latents.output.latents, encoder=plan.encoder_of(wildcards.model), shard=plan.shards)


def teacher_settings(wildcards):
    return plan.config.teachers[wildcards.teacher].model_dump(include={"arch", "expect"})


def teacher_training(wildcards):
    return plan.config.teachers[wildcards.teacher].train.model_dump(mode="json")
