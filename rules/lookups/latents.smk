"""Look-ups of latents.smk: how an encoder runs."""


def encoder_posterior(wildcards):
    return plan.config.models[wildcards.encoder].posterior


def posterior_seed(wildcards):
    """The seed, where latents are drawn."""
    return plan.seed if encoder_posterior(wildcards) == "sample" else None


def encoder_store(wildcards):
    return plan.config.models[wildcards.encoder].store


def encoder_fit(wildcards):
    """How an image becomes square before it is encoded."""
    vae = plan.config.models[wildcards.encoder]
    return {"way": vae.fit, "filter": vae.filter}


def encoder_run(wildcards):
    return plan.running_of(wildcards.encoder)


def encoder_settings(wildcards):
    return plan.codec_settings(wildcards.encoder)


def model_latents(wildcards):
    """The shard's latents, by the encoder of the job's model."""
    encoder = plan.encoder_of(model_of(wildcards))
    return path_of(rules.encode_latents.output.latents, encoder=encoder, shard=wildcards.shard)
