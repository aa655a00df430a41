"""Look-ups of models.smk: what a model is made from."""


def vae_training(wildcards):
    """How an encoder is trained here."""
    return plan.config.models[wildcards.model].train.model_dump(mode="json")


def dit_training(wildcards):
    """How a DiT is trained here, and for which convention."""
    model = plan.config.models[wildcards.model]
    return model.train.model_dump(mode="json", exclude={"from_"}) | model.model_dump(include={"timestep_embedding"})


def starting_model(wildcards):
    """The model whose weights a training starts from; none where it starts from nothing."""
    start = plan.checkpoint_of(wildcards.model)
    return {"start": path_of(rules.fetch_model.output.model, model=start)} if start else {}


def starting_classes(wildcards):
    """Whose classes that model knows."""
    start = plan.checkpoint_of(wildcards.model)
    return plan.config.models[start].classes if start else None


def encoder_latents(wildcards):
    """All latent shards of the encoder that a model works on."""
    return collect(rules.encode_latents.output.latents, encoder=plan.encoder_of(wildcards.model), shard=plan.shards)
