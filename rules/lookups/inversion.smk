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
    """How a start is searched for: without the number of groups where one is made to match."""
    start = plan.start_of(wildcards.method)
    unread = {} if start.search == "groups" else {"groups": None}
    return start.model_dump(include={"search", "groups", "skew_weight"}) | unread
