"""Look-ups of inversion.smk: what is inverted, and what starts are drawn from."""


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
