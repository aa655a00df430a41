"""What a job is told of the models that it runs."""

from retort.base.running import Running
from retort.models.load import CodecFiles, ModelFiles, RefinerFiles


def diffusion_files(snakemake) -> dict:
    """{"model": ..., "codec": ...} of a job that runs a diffusion model.

    Its directory, its encoder's, decoder's and refiner's are inputs, their settings parameters, the way to run them a
    resource. A job that decodes nothing has no decoder.
    """
    settings, run = dict(snakemake.params.model), Running.parse(snakemake.resources.run)
    refiner = settings.pop("refiner", None)
    decoder = getattr(snakemake.params, "decoder", None)
    return {
        "model": ModelFiles(
            snakemake.input.model,
            **settings,
            refiner=RefinerFiles(snakemake.input.refiner, **refiner) if refiner else None,
            decoder=CodecFiles(snakemake.input.decoder, **decoder, run=run) if decoder else None,
            run=run,
        ),
        "codec": CodecFiles(snakemake.input.encoder, **snakemake.params.codec, run=run),
    }
