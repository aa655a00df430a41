"""Look-ups of latents.smk: how an encoder runs."""


def encoder_posterior(wildcards):
    return plan.config.models[wildcards.encoder].posterior


def encoder_settings(wildcards):
    return plan.codec_settings(wildcards.encoder)
