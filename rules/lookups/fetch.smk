"""Look-ups of fetch.smk: what a config needs from elsewhere."""

from retort.data.stamps import source_stamp
from retort.models.sources import model_files, teacher_files

# Every method is a target, so what any of them needs is fetched.
everything = plan.with_every_method()


def model_origin(wildcards):
    """Where a model is fetched from, the state of the files there where it is on this machine, and the dtype in which
    its weights are stored where that is narrow."""
    model, stated = plan.config.models[wildcards.model], {"kind", "source", "revision", "heads", "allow_pickle"}
    files = model_files(model.source, model.kind, model.allow_pickle)
    stamp = source_stamp(model.source, files, model_directory(wildcards))
    dtype = plan.stored_dtype(wildcards.model)
    return model.model_dump(include=stated) | {"stamp": stamp} | ({"store": dtype} if dtype else {})


def fetched_models(wildcards):
    return collect(rules.fetch_model.output.model, model=everything.fetched_models())


def fetched_kinds():
    """Model -> kind, in the order of `fetched_models`."""
    return {name: plan.config.models[name].kind for name in everything.fetched_models()}


def fetched_teachers(wildcards):
    return collect(rules.fetch_teacher.output, teacher=everything.used_teachers(trained=False))
