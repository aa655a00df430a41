"""From the config's description of a model and its directory to the running thing."""

from dataclasses import dataclass

import torch

from retort.base.devices import pick_device
from retort.base.errors import RetortError
from retort.base.running import AUTOMATIC, Running
from retort.data.imagenet import subset_classes
from retort.models.backbone import Backbone
from retort.models.codec import Codec
from retort.models.economy import slice_attention


@dataclass(frozen=True)
class RefinerFiles:
    """Where the refiner of an SDXL model lies; start: the share of the noise schedule that the base predicts."""

    directory: str
    dtype: str
    start: float


@dataclass(frozen=True)
class CodecFiles:
    """An encoder or a decoder: where it lies and how to run it; resolution is the image side in pixels."""

    directory: str
    dtype: str
    resolution: int
    run: Running = AUTOMATIC

    @classmethod
    def from_rule(cls, encoder: str, codec_settings: dict, run: Running) -> "CodecFiles":
        """From what a rule names; see `retort.running.call`."""
        return cls(encoder, **codec_settings, run=run)


@dataclass(frozen=True)
class ModelFiles:
    """Where a model lies and how to run it: the parameters of a rule that can change what the model computes.

    kind: "dit", "optimal", "sd" (Stable Diffusion 1.x and 2.x) or "sdxl". timestep_embedding and classes (the list in
    whose order its labels are: "dataset" or a name of `subset_classes`) are read for a dit; prompt, with {name} for the
    class, and negative for an sd and an sdxl; refiner for an sdxl; dtype for all but an optimal. decoder: what turns
    latents into images, None for the encoder. run changes nothing but speed and memory.
    """

    directory: str
    dtype: str = "float32"
    timestep_embedding: str = "diffusers"
    kind: str = "dit"
    prompt: str = "{name}"
    negative: str = ""
    classes: str = "dataset"
    refiner: RefinerFiles | None = None
    decoder: CodecFiles | None = None
    run: Running = AUTOMATIC

    @classmethod
    def from_rule(
        cls,
        model: str,
        model_settings: dict,
        run: Running,
        refiner: str | None = None,
        decoder: str | None = None,
        decoder_settings: dict | None = None,
    ) -> "ModelFiles":
        """From what a rule names; see `retort.running.call`. A job that decodes nothing has no decoder."""
        settings = dict(model_settings)
        of_refiner = settings.pop("refiner", None)
        ends = RefinerFiles(refiner, **of_refiner) if of_refiner else None
        decodes = CodecFiles(decoder, **decoder_settings, run=run) if decoder else None
        return cls(model, **settings, refiner=ends, decoder=decodes, run=run)


def load_codec(files: CodecFiles) -> Codec:
    """The encoder that `files` describes, for this job's device. Raises RetortError as `Codec.load` does."""
    dtype, device = getattr(torch, files.dtype), pick_device(files.run.device)
    switches = {"slicing": files.run.slicing, "offload": files.run.offload, "load_as": files.run.load}
    return Codec.load(files.directory, files.resolution, dtype, device, **switches)


def load_diffusion(files: ModelFiles, codec: CodecFiles) -> Backbone:
    """The LatentDiffusion that `files` describes, on this job's device.

    Raises RetortError when its latents are not of the shape that the encoder makes (a dit, an optimal) or not of as
    many channels (the others, which take latents of any size), and when a decoder apart reads other latents.
    """
    encoder = load_codec(codec)
    model = KINDS[files.kind](files, encoder)
    takes = (
        model.latent_shape if files.kind in OF_ONE_SIZE else (model.unet.config.in_channels, *model.latent_shape[1:])
    )
    if takes != encoder.latent_shape:
        raise RetortError(
            f"{files.directory} works on latents {takes}, but {codec.directory} makes "
            f"{encoder.latent_shape} at {codec.resolution} pixels; name its own encoder or set that resolution"
        )
    if files.decoder:
        model.decoder = _decoder(files.decoder, encoder, codec)
    for network in model.networks:
        if files.run.slicing:
            slice_attention(network)
        if files.run.compile:
            network.compile(dynamic=False)
    return model


def _decoder(files: CodecFiles, encoder: Codec, encoder_files: CodecFiles) -> Codec:
    decoder = load_codec(files)
    scales = [codec.vae.config.scaling_factor for codec in (decoder, encoder)]
    if decoder.latent_shape != encoder.latent_shape or scales[0] != scales[1]:
        raise RetortError(
            f"{files.directory} decodes latents {decoder.latent_shape} scaled by {scales[0]}, but "
            f"{encoder_files.directory} makes {encoder.latent_shape} scaled by {scales[1]}; name a decoder of the same "
            "latents"
        )
    return decoder


# Each kind is imported where it is loaded: the libraries behind them take many seconds to import.


def _dit(files: ModelFiles, codec: Codec) -> Backbone:
    from retort.models.dit import DiT

    class_ids = None if files.classes == "dataset" else subset_classes(files.classes)
    return DiT.load(files.directory, codec, *_place(files), files.timestep_embedding, class_ids, files.run.load)


def _optimal(files: ModelFiles, codec: Codec) -> Backbone:
    from retort.models.optimal import Optimal

    return Optimal.load(files.directory, codec, pick_device(files.run.device))


def _stable_diffusion(files: ModelFiles, codec: Codec) -> Backbone:
    from retort.models.stable_diffusion import StableDiffusion

    read = {"offload": files.run.offload, "load_as": files.run.load, "negative": files.negative}
    return StableDiffusion.load(files.directory, codec, *_place(files), files.prompt, **read)


def _sdxl(files: ModelFiles, codec: Codec) -> Backbone:
    from retort.models.refiner import Refiner
    from retort.models.sdxl import Sdxl

    refiner, run = files.refiner, files.run
    if refiner:
        dtype, device = getattr(torch, refiner.dtype), pick_device(run.device)
        refiner = Refiner.load(refiner.directory, dtype, device, refiner.start, run.offload, run.load)
    read = {"offload": run.offload, "load_as": run.load, "negative": files.negative}
    return Sdxl.load(files.directory, codec, *_place(files), files.prompt, refiner, **read)


def _place(files: ModelFiles) -> tuple[torch.dtype, torch.device]:
    return getattr(torch, files.dtype), pick_device(files.run.device)


OF_ONE_SIZE = ("dit", "optimal")
KINDS = {"dit": _dit, "optimal": _optimal, "sd": _stable_diffusion, "sdxl": _sdxl}
