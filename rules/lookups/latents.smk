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
