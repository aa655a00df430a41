"""Look-ups of fetch.smk: what a config needs from elsewhere."""

# Every method is a target, so what any of them needs is fetched.
everything = plan.with_every_method()


def model_origin(wildcards):
    """Where a model is fetched from."""
    stated = {"kind", "source", "revision", "heads", "allow_pickle"}
    return plan.config.models[wildcards.model].model_dump(include=stated)


def fetched_models(wildcards):
    return collect(rules.fetch_model.output.model, model=everything.fetched_models())


def fetched_kinds():
    """Model -> kind, in the order of `fetched_models`."""
    return {name: plan.config.models[name].kind for name in everything.fetched_models()}


def fetched_teachers(wildcards):
    return collect(rules.fetch_teacher.output, teacher=everything.used_teachers(trained=False))
