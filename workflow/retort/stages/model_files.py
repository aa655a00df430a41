"""What a job is told of the models that it runs."""

from retort.config.running import Running
from retort.models.load import CodecFiles, ModelFiles, RefinerFiles


def diffusion_files(snakemake) -> dict:
    """{"model": ..., "codec": ...} of a job that runs a diffusion model.

    Its directory, its encoder's and its refiner's are inputs, their settings parameters, the way to run them a
    resource.
    """
    settings, run = dict(snakemake.params.model), Running.parse(snakemake.resources.run)
    refiner = settings.pop("refiner", None)
    return {
        "model": ModelFiles(
            snakemake.input.model,
            **settings,
            refiner=RefinerFiles(snakemake.input.refiner, **refiner) if refiner else None,
            run=run,
        ),
        "codec": CodecFiles(snakemake.input.encoder, **snakemake.params.codec, run=run),
    }
