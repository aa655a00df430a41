"""Look-ups of inversion.smk: what is inverted, and what starts are drawn from."""


def inversion_latents(wildcards):
    """The shard's latents, by the encoder of the inversion's model."""
    encoder = plan.encoder_of(model_of(wildcards))
    return path_of(rules.encode_latents.output.latents, encoder=encoder, shard=wildcards.shard)


def inversion_settings(wildcards):
    return plan.config.inversions[wildcards.inversion].model_dump(include={"steps", "stop", "guidance"})


def start_inversions(wildcards):
    """All shards of the inversion that a method starts from."""
    return collect(
        rules.invert_latents.output.statistics,
        inversion=plan.start_of(wildcards.method).inversion,
        shard=plan.shards,
    )


def start_settings(wildcards):
    return plan.start_of(wildcards.method).model_dump(include={"search", "groups", "skew_weight"})
